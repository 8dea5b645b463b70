-- What a disk of ours holds: data.img is this database, data.img-wal its write-ahead log. docs/store.md explains it.
-- ./tessera disk create makes it; the store only checks application_id and user_version.
PRAGMA page_size = 16384;
PRAGMA application_id = 0x54535331;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
CREATE TABLE volume (
    data_bytes INTEGER NOT NULL, -- of data.img: the database may not grow beyond it
    log_bytes INTEGER NOT NULL   -- of data.img-wal
);
CREATE TABLE inode (
    inode INTEGER PRIMARY KEY,   -- 1 is the root directory
    type INTEGER NOT NULL,       -- 3 directory, 4 file, 7 symbolic link: WASI's numbers
    links INTEGER NOT NULL,      -- names; 0: open without a name, removed at the next start
    bytes INTEGER NOT NULL,
    accessed_ns INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    parent INTEGER NOT NULL,     -- of a directory; 0 for others
    quota INTEGER NOT NULL,      -- directory whose quota counts it, 0: none
    target BLOB                  -- of a symbolic link
);
CREATE INDEX inode_orphan ON inode (inode) WHERE links = 0;
CREATE TABLE entry (
    entry INTEGER PRIMARY KEY,
    directory INTEGER NOT NULL,
    name TEXT NOT NULL,
    inode INTEGER NOT NULL
);
CREATE UNIQUE INDEX entry_name ON entry (directory, name);
CREATE INDEX entry_order ON entry (directory, entry);
-- Bytes 16200 * n and on of file i, n = chunk & 0xffffffff, i = chunk >> 32. Shorter than 16200, or not there: zeroes.
CREATE TABLE chunk (
    chunk INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
CREATE TABLE quota (
    directory INTEGER PRIMARY KEY,
    limit_bytes INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL  -- sum of the sizes of the files below it
);
