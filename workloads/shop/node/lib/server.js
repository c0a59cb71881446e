'use strict';
// The HTTP side of payments.

const { randomUUID } = require('node:crypto');

const fastify = require('fastify');

const { Refused, answerText, basketOf, basketText, eventText } = require('./basket.js');
const { CatalogDown } = require('./catalog.js');

const BODY_LIMIT_BYTES = 64 * 1024;
const KEY = /^[A-Za-z0-9._-]{8,64}$/;
const ID = /^[0-9a-f]{32}$/;
const PATHS = [
  [/^\/payments$/, 'POST'],
  [/^\/(payments\/)?health$/, 'GET, HEAD'],
  [/^\/payments\/[^/]+$/, 'GET, HEAD'],
];

function server({ orders, relay, catalog, state, user }) {
  const app = fastify({ bodyLimit: BODY_LIMIT_BYTES, keepAliveTimeout: 75_000, exposeHeadRoutes: true });

  // Every type is taken for JSON, and parsed where it is used: who may not pay is told so first.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof Refused) return reply.code(error.status).headers(error.headers).send({ error: error.message });
    if (error.statusCode === 413) {
      return reply.code(413).send({ error: `the body has more than ${BODY_LIMIT_BYTES} bytes` });
    }
    if (error.statusCode >= 400 && error.statusCode < 500) return reply.code(error.statusCode).send({ error: error.message });
    console.error(error);
    return reply.code(500).send({ error: 'the service failed' });
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0];
    const known = PATHS.find(([pattern]) => pattern.test(path));
    if (known && !known[1].split(', ').includes(request.method)) {
      return reply.code(405).header('allow', known[1]).send({ error: 'method not allowed' });
    }
    return reply.code(404).send({ error: 'not found' });
  });

  const buyer = async (request) => {
    const [scheme, token] = (request.headers.authorization || '').split(/ (.*)/s);
    request.buyer = scheme.toLowerCase() === 'bearer' ? await user((token || '').trim()) : null;
    if (request.buyer === null) throw new Refused(401, 'a valid token is needed', { 'www-authenticate': 'Bearer' });
  };

  const health = (_request, reply) =>
    reply.code(state.ready ? 200 : 503).send({
      service: 'payments',
      status: state.ready ? 'ok' : 'waiting for what it needs',
      version: state.version,
    });
  app.get('/health', health);
  app.get('/payments/health', health);
  app.get('/payments/outbox', () => orders.counts());

  app.get('/payments/:id', { onRequest: buyer }, async (request, reply) => {
    const { id } = request.params;
    const order = ID.test(id) ? await orders.byId(request.buyer, id) : undefined;
    if (!order) throw new Refused(404, 'no such order of yours');
    return reply.type('application/json').send(order.answer);
  });

  app.post('/payments', { onRequest: buyer }, async (request, reply) => {
    const key = request.headers['idempotency-key'] || '';
    if (!KEY.test(key)) throw new Refused(400, `an Idempotency-Key that matches ${KEY.source.slice(1, -1)} is needed`);
    const lines = basketOf(request.body);
    const basket = basketText(lines);
    let order = await orders.byKey(request.buyer, key);
    let replayed = order !== undefined;
    if (!order) {
      const id = randomUUID().replaceAll('-', '');
      const answer = answerText(id, lines, await pricesOf(catalog, lines));
      const event = eventText(id, lines, process.hrtime.bigint());
      order = await orders.pay(request.buyer, key, { id, basket, answer }, event);
      replayed = order.id !== id;
      relay.wake();
    }
    if (order.basket !== basket) throw new Refused(409, 'that Idempotency-Key has paid for another basket');
    if (replayed) reply.header('idempotent-replayed', 'true');
    return reply.code(201).header('location', `/payments/${order.id}`).type('application/json').send(order.answer);
  });

  return app;
}

async function pricesOf(catalog, lines) {
  let prices;
  try {
    prices = await catalog.prices(lines.map((line) => line.id));
  } catch (error) {
    if (error instanceof CatalogDown) throw new Refused(503, 'the catalog does not answer', { 'retry-after': '1' });
    throw error;
  }
  const unknown = lines.find((line) => !prices.has(line.id));
  if (unknown) throw new Refused(422, `no item ${unknown.id}`);
  return prices;
}

module.exports = { server };
