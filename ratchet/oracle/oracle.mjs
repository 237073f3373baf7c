// A process of libsignal, driven by JSON lines.
//
//   node oracle.mjs v103     reads {"i":1,"op":"new",...}, answers {"i":1,"ok":{...}}
//                            or {"i":1,"err":"...","name":"..."}
//
// The argument is the folder with the package. Bytes are hexadecimal. A party is
// one set of stores in memory; records are kept as bytes, as an application would.

import { createInterface } from 'node:readline';

const folder = process.argv[2];
const root = new URL(`./${folder}/node_modules/@signalapp/libsignal-client/`, import.meta.url);
const lib = await import(new URL('dist/index.js', root));
const named = folder !== 'v90'; // since then functions want to know who we are

const hex = (b) => Buffer.from(b).toString('hex');
const bytes = (h) => Uint8Array.from(Buffer.from(h, 'hex'));
const address = (name) => lib.ProtocolAddress.new(name, 1);

class Sessions extends lib.SessionStore {
  records = new Map();
  async saveSession(name, record) { this.records.set(name.toString(), record.serialize()); }
  async getSession(name) {
    const r = this.records.get(name.toString());
    return r ? lib.SessionRecord.deserialize(r) : null;
  }
  async getExistingSessions(names) { return Promise.all(names.map((n) => this.getSession(n))); }
}

class Identities extends lib.IdentityKeyStore {
  known = new Map();
  constructor(key, registration) { super(); this.key = key; this.registration = registration; }
  async getIdentityKey() { return this.key; }
  async getLocalRegistrationId() { return this.registration; }
  async saveIdentity(name, key) {
    const old = this.known.get(name.toString());
    this.known.set(name.toString(), key);
    return old && !old.equals(key) ? lib.IdentityChange.ReplacedExisting : lib.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(name, key) {
    const old = this.known.get(name.toString());
    return !old || old.equals(key);
  }
  async getIdentity(name) { return this.known.get(name.toString()) ?? null; }
}

const find = (map, id) => {
  const r = map.get(id);
  if (!r) throw new Error(`no key ${id}`);
  return r;
};

class PreKeys extends lib.PreKeyStore {
  records = new Map();
  async savePreKey(id, r) { this.records.set(id, r); }
  async getPreKey(id) { return find(this.records, id); }
  async removePreKey(id) { this.records.delete(id); }
}

class SignedPreKeys extends lib.SignedPreKeyStore {
  records = new Map();
  async saveSignedPreKey(id, r) { this.records.set(id, r); }
  async getSignedPreKey(id) { return find(this.records, id); }
}

class KyberPreKeys extends lib.KyberPreKeyStore {
  records = new Map();
  used = 0;
  async saveKyberPreKey(id, r) { this.records.set(id, r); }
  async getKyberPreKey(id) { return find(this.records, id); }
  async markKyberPreKeyUsed() { this.used++; }
}

const parties = new Map();
const party = (name) => find(parties, name);
const self = (p) => (named ? [p.address] : []);

// What the responder's functions want besides the message.
const stores = (p, from) => [address(from), ...self(p), p.sessions, p.identities];

async function encrypt(p, to, plaintext) {
  const m = await lib.signalEncrypt(plaintext, address(to), ...self(p), p.sessions, p.identities);
  return { type: m.type(), body: m.serialize() };
}

async function decrypt(p, from, type, body) {
  if (type === lib.CiphertextMessageType.PreKey) {
    return lib.signalDecryptPreKey(lib.PreKeySignalMessage.deserialize(body),
      ...stores(p, from), p.preKeys, p.signedPreKeys, p.kyberPreKeys);
  }
  return lib.signalDecrypt(lib.SignalMessage.deserialize(body), ...stores(p, from));
}

function newParty(name, registration) {
  const key = lib.PrivateKey.generate();
  const p = {
    address: address(name), key, registration, next: 1,
    sessions: new Sessions(), identities: new Identities(key, registration),
    preKeys: new PreKeys(), signedPreKeys: new SignedPreKeys(), kyberPreKeys: new KyberPreKeys(),
  };
  parties.set(name, p);
  return p;
}

async function bundle(p, oneTime) {
  const id = p.next++;
  const signed = lib.PrivateKey.generate();
  const kem = lib.KEMKeyPair.generate();
  const preKey = oneTime ? lib.PrivateKey.generate() : null;
  const signature = p.key.sign(signed.getPublicKey().serialize());
  const kemSignature = p.key.sign(kem.getPublicKey().serialize());
  await p.signedPreKeys.saveSignedPreKey(id + 100,
    lib.SignedPreKeyRecord.new(id + 100, 1, signed.getPublicKey(), signed, signature));
  await p.kyberPreKeys.saveKyberPreKey(id + 200, lib.KyberPreKeyRecord.new(id + 200, 1, kem, kemSignature));
  if (preKey) {
    await p.preKeys.savePreKey(id + 300, lib.PreKeyRecord.new(id + 300, preKey.getPublicKey(), preKey));
  }
  return {
    registration: p.registration,
    identity: hex(p.key.getPublicKey().serialize()),
    preKeyId: id + 300,
    preKey: preKey ? hex(preKey.getPublicKey().serialize()) : '',
    signedPreKeyId: id + 100,
    signedPreKey: hex(signed.getPublicKey().serialize()),
    signature: hex(signature),
    kemPreKeyId: id + 200,
    kemPreKey: hex(kem.getPublicKey().serialize()),
    kemSignature: hex(kemSignature),
    privateKeys: { // for transcripts
      identity: hex(p.key.serialize()),
      signedPreKey: hex(signed.serialize()),
      preKey: preKey ? hex(preKey.serialize()) : '',
      kemPreKey: hex(kem.getSecretKey().serialize()),
    },
  };
}

async function processBundle(p, peer, b) {
  const oneTime = b.preKey ? [b.preKeyId, lib.PublicKey.deserialize(bytes(b.preKey))] : [null, null];
  const made = lib.PreKeyBundle.new(b.registration, 1, ...oneTime,
    b.signedPreKeyId, lib.PublicKey.deserialize(bytes(b.signedPreKey)), bytes(b.signature),
    lib.PublicKey.deserialize(bytes(b.identity)),
    b.kemPreKeyId, lib.KEMPublicKey.deserialize(bytes(b.kemPreKey)), bytes(b.kemSignature));
  await lib.processPreKeyBundle(made, address(peer), ...self(p), p.sessions, p.identities);
}

const now = () => Number(process.hrtime.bigint()) / 1000; // microseconds

function median(times) {
  times.sort((a, b) => a - b);
  return times[times.length >> 1];
}

// bench measures pairs of parties in this process: medians of batches, in
// microseconds for each operation.
async function bench(size, batch, batches) {
  const text = new Uint8Array(size);
  const [a, b] = ['bench a', 'bench b'].map((name) => newParty(name, 1));
  const setUp = async () => {
    a.sessions.records.clear();
    b.sessions.records.clear();
    await processBundle(a, 'bench b', await bundle(b, true));
    const first = await encrypt(a, 'bench b', text);
    await decrypt(b, 'bench a', first.type, first.body);
    const answer = await encrypt(b, 'bench a', text);
    await decrypt(a, 'bench b', answer.type, answer.body);
  };
  const start = [];
  const accept = [];
  for (let i = 0; i < batches; i++) {
    a.sessions.records.clear();
    b.sessions.records.clear();
    const offer = await bundle(b, true);
    let t = now();
    await processBundle(a, 'bench b', offer);
    start.push(now() - t);
    const first = await encrypt(a, 'bench b', text);
    t = now();
    await decrypt(b, 'bench a', first.type, first.body);
    accept.push(now() - t);
  }
  await setUp();
  const seal = [];
  const open = [];
  for (let i = 0; i < batches; i++) {
    const sent = [];
    let t = now();
    for (let j = 0; j < batch; j++) sent.push(await encrypt(a, 'bench b', text));
    seal.push((now() - t) / batch);
    t = now();
    for (const m of sent) await decrypt(b, 'bench a', m.type, m.body);
    open.push((now() - t) / batch);
  }
  const pingPong = [];
  for (let i = 0; i < batches; i++) {
    const t = now();
    for (let j = 0; j < batch; j++) {
      const [from, to, fromName, toName] = j % 2 ? [a, b, 'bench a', 'bench b'] : [b, a, 'bench b', 'bench a'];
      const m = await encrypt(from, toName, text);
      await decrypt(to, fromName, m.type, m.body);
    }
    pingPong.push((now() - t) / batch);
  }
  return {
    start: median(start), accept: median(accept), encrypt: median(seal), decrypt: median(open),
    pingPong: median(pingPong),
  };
}

const ops = {
  async new({ party: name, registration }) {
    return { identity: hex(newParty(name, registration).key.getPublicKey().serialize()) };
  },
  async bundle({ party: name, oneTime }) { return bundle(party(name), oneTime); },
  async process({ party: name, peer, bundle: b }) {
    await processBundle(party(name), peer, b);
    return {};
  },
  async enc({ party: name, peer, text }) {
    const { type, body } = await encrypt(party(name), peer, bytes(text));
    return { type, body: hex(body) };
  },
  // Many messages of one text, of which those with the numbers in keep come back.
  async encMany({ party: name, peer, text, count, keep }) {
    const kept = [];
    for (let n = 0; n < count; n++) {
      const { type, body } = await encrypt(party(name), peer, bytes(text));
      if (keep.includes(n)) kept.push({ type, body: hex(body) });
    }
    return kept;
  },
  async dec({ party: name, peer, type, body }) {
    return { text: hex(await decrypt(party(name), peer, type, bytes(body))) };
  },
  // All that a message can change.
  async state({ party: name, peer }) {
    const p = party(name);
    const record = p.sessions.records.get(address(peer).toString());
    const known = p.identities.known.get(address(peer).toString());
    return {
      state: [record ? hex(record) : '', known ? hex(known.serialize()) : '',
        [...p.preKeys.records.keys()].join(','), p.kyberPreKeys.used].join('/'),
    };
  },
  async wipe({ party: name }) {
    party(name).sessions.records.clear();
    return {};
  },
  async sign({ key, text }) { return { signature: hex(lib.PrivateKey.deserialize(bytes(key)).sign(bytes(text))) }; },
  async verify({ key, text, signature }) {
    return { good: lib.PublicKey.deserialize(bytes(key)).verify(bytes(text), bytes(signature)) };
  },
  async bench({ size, batch, batches }) { return bench(size, batch, batches); },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { i, op, ...args } = JSON.parse(line);
  let answer;
  try {
    answer = { i, ok: await ops[op](args) };
  } catch (e) {
    answer = { i, err: String(e.message ?? e), name: String(e.name ?? '') };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
