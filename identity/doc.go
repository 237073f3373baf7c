// Package identity says who somebody is: an account, the devices that speak for
// it, the number two people compare, and the invite that brings them together.
//
// Call [NewAccount] once and show its [Account.Phrase]; call [NewDevice] on the
// same machine, [Device.Request] a certificate and let [Account.Certify] grant it;
// put the certificate into the account's first device list with [Account.SignList].
// [Secrets] is what has to be kept. A peer's list arrives as bytes: [ParseDeviceList]
// checks everything in it that can be checked alone, and [DeviceList.Follows] whether
// it continues the list known so far. [NewInvite] makes a link that [ParseInvite]
// reads on the other side; [NewSafetyNumber] is for comparing by voice.
//
// What it promises: a value returned by one of the Parse functions has been
// verified completely, signatures included; parsers accept one encoding only, so
// encoding again gives the input back; nothing printed with any verb of package
// fmt shows a secret.
//
// What it does not do: it reads no clock (time is an argument), keeps no state,
// knows no network address format, and cannot tell whether an account belongs to
// the person who claims it: that is what the safety number is for. Key agreement
// and prekeys are elsewhere. The Go run time may copy secrets while they live;
// erasing is the best effort a garbage collected language permits.
//
// The format is specified in docs/spec/identity.md.
package identity
