package oracle_test

// transcript is what a conversation was, as text.
type transcript struct{}

func (l *transcript) sent(flying)      {}
func (l *transcript) delivered(flying) {}
func (l *transcript) replayed(flying)  {}
