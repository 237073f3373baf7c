package node

// Tellable are the addresses a contact far away is told.
var Tellable = tellable
