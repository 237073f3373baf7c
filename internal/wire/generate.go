package wire

//go:generate protoc --go_out=../.. --go_opt=module=kith -I ../.. ../../internal/wire/contentpb/content.proto
