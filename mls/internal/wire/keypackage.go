package wire

// KeyPackage invites others to add a client to a group, once.
type KeyPackage struct {
	Version    uint16
	Suite      uint16
	InitKey    []byte
	Leaf       *LeafNode
	Extensions []Extension
	Signature  []byte
}

// TBS returns KeyPackageTBS, what the signature is over.
func (k *KeyPackage) TBS() []byte { return k.appendUnsigned(make([]byte, 0, 512)) }

func (k *KeyPackage) appendUnsigned(b []byte) []byte {
	b = appendUint16(b, k.Version)
	b = appendUint16(b, k.Suite)
	b = AppendOpaque(b, k.InitKey)
	b = k.Leaf.Append(b)
	return AppendExtensions(b, k.Extensions)
}

// Append encodes k behind b.
func (k *KeyPackage) Append(b []byte) []byte {
	return AppendOpaque(k.appendUnsigned(b), k.Signature)
}

// KeyPackage reads a KeyPackage.
func (r *Reader) KeyPackage() *KeyPackage {
	return &KeyPackage{
		Version: r.Uint16(), Suite: r.Uint16(), InitKey: r.Opaque(), Leaf: r.LeafNode(),
		Extensions: r.Extensions(), Signature: r.Opaque(),
	}
}
