-- Schema version 4, specified in docs/spec/store.md.
CREATE TABLE state (
  key     TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  sealed  BLOB NOT NULL
) WITHOUT ROWID;
-- The version of each row again, in pages of its own: a page put back in place
-- of a newer one shows.
CREATE TABLE state_versions (
  key     TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE log (
  seq    INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  sealed BLOB NOT NULL
);
CREATE TABLE outbox (
  n       INTEGER PRIMARY KEY AUTOINCREMENT,
  id      BLOB NOT NULL UNIQUE,
  device  BLOB NOT NULL,
  body    BLOB NOT NULL,
  message BLOB NOT NULL
);
CREATE INDEX outbox_device ON outbox (device);
CREATE INDEX outbox_message ON outbox (message);
-- What boxes on relays hold or are to hold, for as long as its envelope waits.
CREATE TABLE cells (
  box      BLOB PRIMARY KEY,
  envelope BLOB NOT NULL,
  grp      TEXT NOT NULL,
  expiry   INTEGER NOT NULL,
  held     INTEGER NOT NULL,
  put      BLOB NOT NULL,
  keys     BLOB,
  stream   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX cells_envelope ON cells (envelope);
CREATE INDEX cells_group ON cells (grp);
CREATE TABLE seen (
  id BLOB PRIMARY KEY,
  at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);
CREATE TABLE addrs (
  device BLOB NOT NULL,
  place  INTEGER NOT NULL,
  addr   TEXT NOT NULL,
  PRIMARY KEY (device, place)
) WITHOUT ROWID;
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
-- Projections: a fold of the log, dropped and rebuilt at will.
CREATE TABLE contacts (
  account  BLOB PRIMARY KEY,
  device   BLOB NOT NULL,
  name     TEXT NOT NULL,
  state    INTEGER NOT NULL,
  reason   INTEGER NOT NULL,
  verified INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  reduced  INTEGER NOT NULL DEFAULT 0,
  stale    INTEGER NOT NULL DEFAULT 0,
  no_receipts INTEGER NOT NULL DEFAULT 0,
  no_typing   INTEGER NOT NULL DEFAULT 0,
  blocked     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE conversations (
  id       BLOB PRIMARY KEY,
  lamport  INTEGER NOT NULL,
  unread   INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  messages INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE messages (
  n            INTEGER PRIMARY KEY,
  id           BLOB NOT NULL UNIQUE,
  conversation BLOB NOT NULL,
  sender       BLOB NOT NULL,
  device       BLOB NOT NULL,
  lamport      INTEGER NOT NULL,
  sent_at      INTEGER NOT NULL,
  text         TEXT NOT NULL,
  state        INTEGER NOT NULL,
  seq          INTEGER NOT NULL,
  notice       INTEGER NOT NULL DEFAULT 0,
  boxed_on     INTEGER NOT NULL DEFAULT 0,
  boxed_of     INTEGER NOT NULL DEFAULT 0,
  reply_to     BLOB NOT NULL DEFAULT x'',
  edited_at    INTEGER NOT NULL DEFAULT 0,
  deleted      INTEGER NOT NULL DEFAULT 0,
  deleted_on   INTEGER NOT NULL DEFAULT 0,
  deleted_of   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_order ON messages (conversation, lamport, sender, id);
CREATE INDEX messages_unread ON messages (conversation, sender, lamport) WHERE state < 3;
CREATE TABLE media (
  message BLOB NOT NULL,
  place   INTEGER NOT NULL,
  root    BLOB NOT NULL,
  name    TEXT NOT NULL,
  type    TEXT NOT NULL,
  stored  INTEGER NOT NULL,
  sealed  BLOB NOT NULL,
  hold    INTEGER NOT NULL DEFAULT 0,
  preview BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (message, place)
) WITHOUT ROWID;
CREATE INDEX media_root ON media (root);
-- The last of each kind that somebody did to a message. Early: the message is not
-- here.
CREATE TABLE changes (
  target       BLOB NOT NULL,
  kind         INTEGER NOT NULL,
  sender       BLOB NOT NULL,
  conversation BLOB NOT NULL,
  id           BLOB NOT NULL,
  lamport      INTEGER NOT NULL,
  sent_at      INTEGER NOT NULL,
  text         TEXT NOT NULL,
  seq          INTEGER NOT NULL,
  delivered    INTEGER NOT NULL,
  early        INTEGER NOT NULL,
  PRIMARY KEY (target, kind, sender)
) WITHOUT ROWID;
CREATE INDEX changes_id ON changes (id);
CREATE INDEX changes_early ON changes (conversation) WHERE early = 1;
-- Messages the person deleted for herself, which must not come back.
CREATE TABLE forgotten (
  id BLOB PRIMARY KEY
) WITHOUT ROWID;
-- What is taken out of it leaves no trace, unlike with contentless_delete.
CREATE VIRTUAL TABLE search USING fts5 (
  words, content='', tokenize="unicode61 remove_diacritics 2"
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
