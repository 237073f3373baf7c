# Both devices die with messages on their way.
people alice bob
meet alice bob
advance 1m
alice says bob first
crash alice
bob says alice second
crash bob
advance 20m
view alice bob
view bob alice
-- view --
alice sees of bob:
  alice: first [delivered]
  bob: second [delivered]
bob sees of alice:
  alice: first [delivered]
  bob: second [delivered]
