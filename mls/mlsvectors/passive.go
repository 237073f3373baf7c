package main

import "errors"

type passiveClient struct{}

func verifyPassiveClient(v *passiveClient) error { return errors.New("todo") }
