'use strict'

// Stand-in for FireEdge: Sunstone's page and login, without Sunstone. Sessions are
// kept in memory, and their cookie is FireEdge's.

const crypto = require('crypto')
const dns = require('dns')
const fs = require('fs')
const http = require('http')

// oned listens on IPv4, and localhost may be an address of IPv6 first.
dns.setDefaultResultOrder('ipv4first')

const etc = `${process.env.STANDIN_ROOT || ''}/etc/one`
const unquote = (text) => text.trim().replace(/^'(.*)'$|^"(.*)"$/, '$1$2')

// The plain keys of a YAML file.
const conf = Object.fromEntries(
  [...fs.readFileSync(`${etc}/fireedge-server.conf`, 'utf8').matchAll(/^(\w+):(.+)$/gm)].map(([, key, value]) => [key, unquote(value)])
)
const remotes = Object.fromEntries(
  [...fs.readFileSync(`${etc}/fireedge/sunstone/remotes-config.yaml`, 'utf8').matchAll(/^(\w+):\s+name:(.+)\s+entry:(.+)$/gm)].map(
    ([, id, name, entry]) => [id, { name: unquote(name), entry: unquote(entry) }]
  )
)
const scripts = ['client/bundle.sunstone.js', ...Object.keys(remotes).map((id) => `modules/${id}/remoteEntry.js`)]
const sessions = new Map() // token of the cookie: session of oned

const page = `<!DOCTYPE html>
<html lang="en">
<head><title>Sunstone by OpenNebula (stand-in)</title></head>
<body>
  <p>This is a stand-in for Sunstone @VERSION@: it runs no virtual machines.</p>
  <div id="root"></div>
  <script id="preload-remotes-config">
    window.__REMOTES_MODULE_CONFIG__ = ${JSON.stringify(remotes)}
  </script>
  <script src='/fireedge/client/bundle.sunstone.js'></script>
</body>
</html>
`

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const unescape = (text) => text.replace(/&(?:#x(\w+)|#(\d+)|(\w+));/g, (_, hex, dec, name) => (name ? entities[name] : String.fromCodePoint(hex ? parseInt(hex, 16) : dec)))
const escape = (text) => text.replace(/[&<>]/g, (c) => `&#${c.codePointAt(0)};`)

const types = { number: 'i4', boolean: 'boolean', string: 'string' }
const param = (v) => {
  const type = types[typeof v]
  const text = type === 'boolean' ? Number(v) : v
  return `<param><value><${type}>${escape(String(text))}</${type}></value></param>`
}

// Asks oned; resolves to [success, value].
const ask = (method, ...params) =>
  new Promise((resolve, reject) => {
    const body = `<methodCall><methodName>${method}</methodName><params>${params.map(param).join('')}</params></methodCall>`
    const request = http.request(conf.one_xmlrpc, { method: 'POST', agent: false, headers: { 'Content-Type': 'text/xml' } }, async (response) => {
      const text = await read(response)
      const value = text.match(/<string>(.*?)<\/string>/s)
      resolve([text.includes('<boolean>1</boolean>'), unescape(value ? value[1] : '')])
    })
    request.on('error', reject)
    request.end(body)
  })

const read = async (stream) => {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

// XML without attributes as an object: elements with elements, or text.
const toObject = (xml) => {
  const found = {}
  for (const [, name, inner] of xml.matchAll(/<(\w+)>(.*?)<\/\1>/gs)) {
    const value = /<\w/.test(inner) ? toObject(inner) : unescape(inner)
    found[name] = name in found ? [].concat(found[name], value) : value
  }
  return found
}

const send = (response, id, message, data, headers = {}) => {
  response.writeHead(id, { 'Content-Type': 'application/json; charset=utf-8', ...headers })
  response.end(JSON.stringify({ id, message, ...(data && { data }) }))
}

const login = async (request, response) => {
  const { user, token } = JSON.parse(await read(request))
  const [known] = await ask('one.user.info', `${user}:${token}`, -1, false)
  if (!known) return send(response, 401, 'core user not found')
  const server = fs.readFileSync(`${process.env.STANDIN_ROOT || ''}/var/lib/one/.one/sunstone_auth`, 'utf8').trim()
  const [trusted] = await ask('standin.serveradmin', server) // no method of OpenNebula's
  if (!trusted) return send(response, 500, 'oned refuses serveradmin')
  const id = crypto.randomBytes(32).toString('hex')
  sessions.set(id, `${user}:${token}`)
  const cookie = encodeURIComponent(JSON.stringify({ token: id }))
  return send(response, 200, 'OK', { status: 'ok' }, { 'Set-Cookie': `FireedgeToken=${cookie}; Path=/; HttpOnly; SameSite=Lax` })
}

const session = (request) => {
  const cookie = (request.headers.cookie || '').match(/FireedgeToken=([^;]+)/)
  return cookie && sessions.get(JSON.parse(decodeURIComponent(cookie[1])).token)
}

const calls = { 'user/info': ['one.user.info', -1, false], 'zonepool/info': ['one.zonepool.info'] }

const api = async (request, response, path) => {
  if (request.method === 'POST' && /^auth\/?$/.test(path)) return login(request, response)
  if (request.method !== 'GET' || !calls[path]) return send(response, 404, 'Not Found')
  const who = session(request)
  if (!who) return send(response, 401, 'Unauthorized')
  const [method, ...params] = calls[path]
  const [ok, value] = await ask(method, who, ...params)
  return ok ? send(response, 200, 'OK', toObject(value)) : send(response, 404, 'Not Found', value)
}

const handle = async (request, response) => {
  const path = request.url.split('?')[0].replace(/^\/fireedge\//, '')
  if (path.startsWith('api/')) return api(request, response, path.slice(4))
  if (scripts.includes(path)) {
    response.writeHead(200, { 'Content-Type': 'application/javascript; charset=UTF-8' })
    return response.end('// stand-in: there is nothing to load\n')
  }
  if (/^sunstone(\/|$)/.test(path)) {
    response.writeHead(200, { 'Content-Type': 'text/html' })
    return response.end(page)
  }
  response.writeHead(302, { Location: '/fireedge/sunstone' })
  return response.end()
}

const server = http.createServer((request, response) =>
  handle(request, response).catch((err) => {
    console.error(err)
    send(response, 500, 'Internal Server Error')
  })
)
console.error('fireedge: stand-in for OpenNebula @VERSION@: it runs no virtual machines')
server.listen(Number(conf.port), conf.host)
process.on('SIGTERM', () => process.exit(0))
process.on('SIGINT', () => process.exit(0))
