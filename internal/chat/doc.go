// Package chat is the domain's words: contact, conversation, message, event,
// and the fold that turns the event log into what a person sees.
//
// An [Event] is the only truth about conversations. The store appends events
// and calls [Apply] for each in the same transaction, so that contact list,
// timeline and unread counts are always those of the log; dropping and
// rebuilding them from the log gives the same rows. The package decides
// nothing about keys or networks; package engine makes the events.
//
// Events at rest are protobuf (docs/spec/store.md). Nothing here is safe for
// concurrent use of one [Projection].
package chat
