# Two strangers meet; what was written before they did arrives too.
people alice bob
meet alice bob
bob says alice are you there?
view bob alice
advance 1m
alice says bob I am
advance 1m
view alice bob
view bob alice
-- view --
bob sees of alice:
  bob: are you there? [queued]
alice sees of bob:
  bob: are you there? [delivered]
  alice: I am [delivered]
bob sees of alice:
  bob: are you there? [delivered]
  alice: I am [delivered]
