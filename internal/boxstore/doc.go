// Package boxstore keeps what strangers leave with a relay: one directory for
// each day on which something expires, with a bbolt file and that day's key.
//
// Call [Open] at start, [Store.Expire] when a day begins and [Store.Close] at
// the end. [Store.Apply] is durable when it returns nil; calls that come at the
// same time share one commit for each day. [Store.Get] and [Store.Lowest] read.
//
// What it promises: records are encrypted under the key of their day, and named
// by a keyed hash of their address; when the day is over the key is overwritten
// and removed before anything else, and then all the rest, so that a disk
// seized later says nothing about it. Nothing is kept but box, expiry, effort,
// signature and cell: no times, no peers, no order of arrival, no counters but
// a day's totals. It holds no more than its cap. A damaged file costs its day
// and no other. Memory is 8 to 16 bytes a record.
//
// Blobs lie beside the boxes of their day, in files of their own: [Store.PutBlob],
// [Store.FindBlob], [Store.DeleteBlob].
//
// What it does not do: it checks no signatures, decides on no evictions, and
// does not overwrite single records that are deleted before their day is over;
// those stay readable, to who has the key, until their pages are used again.
// One process at a time may have a store open.
//
// Format and rules: docs/spec/boxstore.md.
package boxstore
