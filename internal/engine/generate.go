package engine

//go:generate protoc --go_out=../.. --go_opt=module=kith -I ../.. ../../internal/engine/statepb/state.proto
