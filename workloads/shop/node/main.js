'use strict';
// The payments of the shop in Node: the same API, the same tables and the same events as payments.py beside it.
// The environment is the same as well, with PORT in place of uvicorn's.

const path = require('node:path');

const { Broker } = require('./lib/broker.js');
const { Catalog } = require('./lib/catalog.js');
const { Orders } = require('./lib/orders.js');
const { Relay } = require('./lib/relay.js');
const { server } = require('./lib/server.js');
const { verifier } = require('./lib/tokens.js');

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`payments needs ${name}`);
  return value;
}

async function main() {
  const folder = process.env.SHOP_DATA || '/tmp/shop-payments';
  const orders = await Orders.open(path.join(folder, 'payments.db'));
  const broker = new Broker(needed('SHOP_BROKER'));
  const catalog = new Catalog(needed('SHOP_CATALOG'));
  const relay = new Relay(orders, broker);
  const state = { ready: false, version: process.env.SHOP_VERSION || '1' };
  const app = server({ orders, relay, catalog, state, user: await verifier(needed('SHOP_VERIFY_KEY')) });

  let ending = false;
  const end = async (code) => {
    if (ending) return;
    ending = true;
    await app.close();
    process.exit(code);
  };
  process.on('SIGTERM', () => end(0));
  process.on('SIGINT', () => end(0));

  await app.listen({ host: '0.0.0.0', port: Number(process.env.PORT || '8004') });
  // A service whose relay has died must not go on looking healthy: it ends, and says why.
  relay.run().catch((error) => {
    console.error('the relay died:', error);
    return end(1);
  });
  await relay.connected;
  await catalog.answers();
  state.ready = true;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
