# Both write while apart: afterwards both see one order, and no clock decides it.
people alice bob
meet alice bob
advance 1m
skew bob 8760h
alice says bob before
advance 1m
cut alice bob
alice says bob from alice, apart
bob says alice from bob, apart
bob says alice and another
advance 1h
join alice bob
advance 20m
alice says bob together again
advance 1m
view alice bob
view bob alice
-- view --
alice sees of bob:
  alice: before [delivered]
  alice: from alice, apart [delivered]
  bob: from bob, apart [delivered]
  bob: and another [delivered]
  alice: together again [delivered]
bob sees of alice:
  alice: before [delivered]
  alice: from alice, apart [delivered]
  bob: from bob, apart [delivered]
  bob: and another [delivered]
  alice: together again [delivered]
