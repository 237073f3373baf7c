package braid

// phase is where in an epoch a state is; the names are the Braid's.
type phase uint8

const (
	// The side that makes the key pair.
	keysUnsampled     phase = 0
	keysSampled       phase = 1
	headerSent        phase = 2
	ct1Received       phase = 3
	ekSentCt1Received phase = 4
	// The side that encapsulates to it.
	noHeaderReceived     phase = 5
	headerReceived       phase = 6
	ct1Sampled           phase = 7
	ekReceivedCt1Sampled phase = 8
	ct1Acknowledged      phase = 9
	ct2Sampled           phase = 10

	phases = 11
)

// sends is what type of message a state sends.
func (p phase) sends() Type {
	return [phases]Type{keysSampled: Hdr, headerSent: Ek, ct1Received: EkCt1Ack, ekSentCt1Received: Ct1Ack,
		ct1Sampled: Ct1, ekReceivedCt1Sampled: Ct1, ct2Sampled: Ct2}[p]
}

// collects is what a state waits for.
func (p phase) collects() Type {
	return [phases]Type{headerSent: Ct1, ekSentCt1Received: Ct2, noHeaderReceived: Hdr,
		ct1Sampled: Ek, ct1Acknowledged: Ek}[p]
}
