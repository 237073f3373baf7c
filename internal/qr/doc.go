// Package qr draws a text as a QR code, for a terminal or as a PNG, and finds the
// text again in a picture.
//
// [Terminal] and [PNG] draw; [Decode] reads PNG and JPEG from anywhere, hostile ones
// included: what it reads is bounded before it is decoded, and neither a panic nor a
// pattern that is expensive to search gets through to the caller.
//
// The package does not know what the text means. Texts of digits, upper-case letters
// and any of " $%*+-./:" make smaller codes than others, so give links in upper case.
// It reads one code per picture and does not promise which if there are several.
//
// All functions are safe for concurrent use.
package qr
