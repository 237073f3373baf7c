package identity

// hidden holds a secret where no verb of package fmt finds it. Format methods do not
// help a secret inside somebody's unexported field, since fmt may not call them there;
// and fmt follows one pointer when the verb does not suit pointers, but never two.
type hidden[T any] struct{ secret **T }

func hide[T any](secret *T) hidden[T] { return hidden[T]{&secret} }

func (h hidden[T]) reveal() *T { return *h.secret }
