package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"kith/mls/internal/suite"
)

// kind is one format of vectors.
type kind struct {
	name   string
	fields []string // that tell it from the others
	verify func(raw json.RawMessage) error
}

var kinds = []kind{
	{"tree-math", []string{"n_leaves", "n_nodes"}, typed(verifyTreeMath)},
	{"crypto-basics", []string{"ref_hash", "expand_with_label"}, typed(verifyCryptoBasics)},
	{"secret-tree", []string{"sender_data", "leaves"}, typed(verifySecretTree)},
	{"message-protection", []string{"proposal_priv", "application_priv"}, typed(verifyMessageProtection)},
	{"key-schedule", []string{"initial_init_secret", "epochs"}, typed(verifyKeySchedule)},
	{"psk-secret", []string{"psks", "psk_secret"}, typed(verifyPSKSecret)},
	{"transcript-hashes", []string{"authenticated_content", "interim_transcript_hash_before"}, typed(verifyTranscript)},
	{"welcome", []string{"signer_pub", "welcome"}, typed(verifyWelcome)},
	{"tree-operations", []string{"tree_before", "proposal_sender"}, typed(verifyTreeOperations)},
	{"tree-validation", []string{"tree_hashes", "resolutions"}, typed(verifyTreeValidation)},
	{"treekem", []string{"leaves_private", "update_paths"}, typed(verifyTreeKEM)},
	{"messages", []string{"mls_welcome", "group_secrets"}, verifyMessages},
	{"passive-client", []string{"initial_epoch_authenticator", "key_package"}, typed(verifyPassiveClient)},
	{"deserialization", []string{"vlbytes_header", "length"}, typed(verifyDeserialization)},
}

type report struct {
	kind     string
	passed   int
	failures []error
}

// verify checks all cases of a file.
func verify(data []byte) (*report, error) {
	var cases []json.RawMessage
	if err := json.Unmarshal(data, &cases); err != nil {
		return nil, err
	}
	if len(cases) == 0 {
		return nil, errors.New("no cases")
	}
	k, err := kindOf(cases[0])
	if err != nil {
		return nil, err
	}
	r := &report{kind: k.name}
	for i, raw := range cases {
		if err := k.verify(raw); err != nil {
			r.failures = append(r.failures, fmt.Errorf("case %d: %w", i, err))
		} else {
			r.passed++
		}
	}
	return r, nil
}

func kindOf(raw json.RawMessage) (*kind, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	for i := range kinds {
		if !slices.ContainsFunc(kinds[i].fields, func(f string) bool { _, ok := fields[f]; return !ok }) {
			return &kinds[i], nil
		}
	}
	return nil, errors.New("not a format of the working group's vectors")
}

// typed decodes a case and verifies it. Fields that the format does not have are
// ignored: generators leave notes in them.
func typed[T any](check func(*T) error) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		v := new(T)
		if err := json.Unmarshal(raw, v); err != nil {
			return err
		}
		return check(v)
	}
}

// octets is a byte string in hexadecimal.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// expect returns an error unless both byte strings are equal.
func expect(what string, got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is %x, want %x", what, got, want)
	}
	return nil
}

func suiteOf(id uint16) (*suite.Suite, error) {
	s, ok := suite.ByID(id)
	if !ok {
		return nil, fmt.Errorf("cipher suite %d is not known", id)
	}
	return s, nil
}
