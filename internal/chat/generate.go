package chat

//go:generate protoc --go_out=../.. --go_opt=module=kith -I ../.. ../../internal/chat/eventpb/event.proto
