# Bob's device is away for a day, dies, and comes back.
people alice bob
meet alice bob
advance 1m
cut alice bob
alice says bob one
alice says bob two
advance 24h
crash bob
view alice bob
join alice bob
advance 20m
bob reads alice
advance 1m
view alice bob
view bob alice
-- view --
alice sees of bob:
  alice: one [queued]
  alice: two [queued]
alice sees of bob:
  alice: one [read]
  alice: two [read]
bob sees of alice:
  alice: one [read]
  alice: two [read]
