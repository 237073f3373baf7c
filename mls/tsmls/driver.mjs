// Drives ts-mls for tests: one JSON object per line in, one per line out. Byte
// strings are hexadecimal. Clients are held by name.
import { createInterface } from "node:readline"
import * as mls from "ts-mls"
import { createGroupInfoWithRatchetTree } from "ts-mls/createCommit.js"
import * as nist from "@noble/curves/nist.js"

const clients = new Map()
const suites = new Map()
const hex = (b) => Buffer.from(b).toString("hex")
const bytes = (s) => new Uint8Array(Buffer.from(s, "hex"))

const config = {
  authService: mls.defaultAuthenticationService,
  keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig,
  keyRetentionConfig: mls.defaultKeyRetentionConfig,
  lifetimeConfig: { ...mls.defaultLifetimeConfig, validateLifetimeOnReceive: false },
  paddingConfig: mls.defaultPaddingConfig,
}

async function suite(id) {
  if (!suites.has(id)) {
    const name = Object.entries(mls.ciphersuites).find(([, v]) => v === id)[0]
    suites.set(id, corrected(await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(name)), id))
  }
  return suites.get(id)
}

// ts-mls 1.6.4 departs from RFC 9420 in two places, which the driver corrects where
// bytes come and go. ECDSA keys are uncompressed points (section 5.1.1).
function corrected(impl, id) {
  const curve = { 2: nist.p256, 5: nist.p521, 7: nist.p384 }[id]
  if (!curve) return impl
  const keygen = async () => {
    const signKey = curve.utils.randomSecretKey()
    return { signKey, publicKey: curve.getPublicKey(signKey, false) }
  }
  return { ...impl, signature: { ...impl.signature, keygen } }
}

// The extension external_pub is a struct with a vector (section 12.4.3.2), not the
// key alone: keys here are longer than 31 and shorter than 16384 bytes.
function wrapVector(b) {
  const header = b.length < 64 ? [b.length] : [0x40 | (b.length >> 8), b.length & 0xff]
  return new Uint8Array([...header, ...b])
}

const unwrapVector = (b) => b.slice(b[0] < 64 ? 1 : 2)

// withPlainKey returns a group info whose signature still holds and in which a
// search finds the external key alone.
function withPlainKey(info) {
  const extensions = [...info.extensions]
  extensions.find = (f) => {
    const e = Array.prototype.find.call(extensions, f)
    return e?.extensionType === "external_pub" ? { ...e, extensionData: unwrapVector(e.extensionData) } : e
  }
  return { ...info, extensions }
}

function decode(message, wireformat) {
  const decoded = mls.decodeMlsMessage(bytes(message), 0)
  if (!decoded) throw new Error("message does not decode")
  if (wireformat && decoded[0].wireformat !== wireformat) throw new Error("wire format " + decoded[0].wireformat)
  return decoded[0]
}

const encode = (wireformat, body) => hex(mls.encodeMlsMessage({ version: "mls10", wireformat, ...body }))

function proposals(list) {
  return (list ?? []).map((p) => {
    if (p.add) return { proposalType: "add", add: { keyPackage: decode(p.add, "mls_key_package").keyPackage } }
    if (p.remove !== undefined) return { proposalType: "remove", remove: { removed: p.remove } }
    throw new Error("unknown proposal")
  })
}

async function own(c) {
  const credential = { credentialType: "basic", identity: new TextEncoder().encode(c.name) }
  const capabilities = {
    versions: ["mls10"],
    ciphersuites: [Object.entries(mls.ciphersuites).find(([, v]) => v === c.id)[0]],
    extensions: [],
    proposals: [],
    credentials: ["basic"],
  }
  const lifetime = { notBefore: BigInt(c.notBefore), notAfter: BigInt(c.notAfter) }
  return mls.generateKeyPackage(credential, capabilities, lifetime, [], c.suite)
}

const operations = {
  async client({ name, suite: id, notBefore, notAfter }) {
    const c = { name, id, notBefore, notAfter, suite: await suite(id) }
    c.keys = await own(c)
    clients.set(name, c)
    return { keyPackage: encode("mls_key_package", { keyPackage: c.keys.publicPackage }) }
  },
  async create({ name, groupId }) {
    const c = clients.get(name)
    c.state = await mls.createGroup(bytes(groupId), c.keys.publicPackage, c.keys.privatePackage, [], c.suite, config)
    return {}
  },
  async join({ name, welcome }) {
    const c = clients.get(name)
    const w = decode(welcome, "mls_welcome").welcome
    c.state = await mls.joinGroup(w, c.keys.publicPackage, c.keys.privatePackage, mls.emptyPskIndex, c.suite, undefined, undefined, config)
    return {}
  },
  async commit({ name, list, public: wireAsPublicMessage }) {
    const c = clients.get(name)
    const r = await mls.createCommit(
      { state: c.state, cipherSuite: c.suite },
      { wireAsPublicMessage, extraProposals: proposals(list), ratchetTreeExtension: true },
    )
    c.state = r.newState
    return { commit: hex(mls.encodeMlsMessage(r.commit)), welcome: r.welcome ? encode("mls_welcome", { welcome: r.welcome }) : "" }
  },
  async propose({ name, list, public: asPublic }) {
    const c = clients.get(name)
    const r = await mls.createProposal(c.state, asPublic, proposals(list)[0], c.suite)
    c.state = r.newState
    return { message: hex(mls.encodeMlsMessage(r.message)) }
  },
  async process({ name, message }) {
    const c = clients.get(name)
    const r = await mls.processMessage(decode(message), c.state, mls.emptyPskIndex, mls.acceptAll, c.suite)
    c.state = r.newState
    return { plaintext: r.kind === "applicationMessage" ? hex(r.message) : "", kind: r.kind }
  },
  async seal({ name, plaintext }) {
    const c = clients.get(name)
    const r = await mls.createApplicationMessage(c.state, bytes(plaintext), c.suite)
    c.state = r.newState
    return { message: encode("mls_private_message", { privateMessage: r.privateMessage }) }
  },
  async groupInfo({ name }) {
    const c = clients.get(name)
    const { publicKey } = await c.suite.hpke.deriveKeyPair(c.state.keySchedule.externalSecret)
    const extensionData = wrapVector(await c.suite.hpke.exportPublicKey(publicKey))
    const extensions = [{ extensionType: "external_pub", extensionData }]
    const groupInfo = await createGroupInfoWithRatchetTree(
      c.state.groupContext,
      c.state.confirmationTag,
      c.state,
      c.state.ratchetTree,
      extensions,
      c.suite,
    )
    return { groupInfo: encode("mls_group_info", { groupInfo }) }
  },
  async external({ name, groupInfo, resync }) {
    const c = clients.get(name)
    const info = withPlainKey(decode(groupInfo, "mls_group_info").groupInfo)
    const r = await mls.joinGroupExternal(info, c.keys.publicPackage, c.keys.privatePackage, resync ?? false, c.suite, undefined, config)
    c.state = r.newState
    return { commit: encode("mls_public_message", { publicMessage: r.publicMessage }) }
  },
  async state({ name }) {
    const c = clients.get(name)
    return {
      authenticator: hex(c.state.keySchedule.epochAuthenticator),
      exported: hex(await mls.mlsExporter(c.state.keySchedule.exporterSecret, "test", bytes("636f6e74657874"), 32, c.suite)),
      epoch: Number(c.state.groupContext.epoch),
      active: c.state.groupActiveState.kind,
    }
  },
  // bench measures one thing in milliseconds, the median of runs. States are values,
  // so running a step again begins where it began.
  async bench({ what, name, runs, list, message, welcome, plaintext }) {
    const c = clients.get(name)
    const extraProposals = proposals(list)
    const step = {
      commit: () => mls.createCommit({ state: c.state, cipherSuite: c.suite }, { extraProposals, ratchetTreeExtension: true }),
      process: () => mls.processMessage(decode(message), c.state, mls.emptyPskIndex, mls.acceptAll, c.suite),
      join: () =>
        mls.joinGroup(decode(welcome).welcome, c.keys.publicPackage, c.keys.privatePackage, mls.emptyPskIndex, c.suite, undefined, undefined, config),
      seal: () => mls.createApplicationMessage(c.state, bytes(plaintext), c.suite),
    }[what]
    const times = []
    for (let i = 0; i < runs; i++) {
      const from = process.hrtime.bigint()
      await step()
      times.push(Number(process.hrtime.bigint() - from) / 1e6)
    }
    times.sort((a, b) => a - b)
    return { ms: times[Math.floor(times.length / 2)] }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const { op, ...args } = JSON.parse(line)
    answer = { ok: true, ...(await operations[op](args)) }
  } catch (e) {
    answer = { ok: false, error: String(e?.message ?? e) }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
