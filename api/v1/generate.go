// Package apiv1 is the local API of a kith node, version 1: protobuf messages
// and a Connect client and handler, generated from api.proto. Dial the node's
// unix socket with an http.Client and pass it to NewKithClient (package
// apiv1connect). The API is for programs of the node's owner on the same
// machine; the socket's permissions are its only guard.
package apiv1

//go:generate protoc --go_out=../.. --go_opt=module=kith --connect-go_out=../.. --connect-go_opt=module=kith -I ../.. ../../api/v1/api.proto
