'use strict';
// The connection to the broker: kept up for as long as the process lives, however often the broker dies.

const { DiscardPolicy, RetentionPolicy, StorageType, connect, nanos } = require('nats');

const STREAM = 'ORDERS';
const SUBJECT = 'order.paid';
const RETRY_MS = 100;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Broker {
  constructor(address) {
    this.address = address;
    this.connections = 0;
    this.found = null;
    this.renew();
  }

  renew() {
    this.changed = new Promise((resolve) => {
      this.change = resolve;
    });
  }

  count() {
    this.connections += 1;
    this.change();
    this.renew();
  }

  // Resolves once the connection is another than `number`.
  async another(number) {
    while (this.connections === number) await this.changed;
  }

  // A link on which the stream is there: { js, number, created }. Waits for as long as there is no broker.
  // Another `number` means another connection, another `created` a broker that came back without its store.
  async link() {
    for (;;) {
      try {
        return await this.current();
      } catch (error) {
        console.info('the broker does not answer yet:', error.message);
        await sleep(RETRY_MS);
      }
    }
  }

  async current() {
    if (!this.client) await this.connect();
    if (!this.found || this.found.number !== this.connections) {
      const number = this.connections;
      const manager = await this.client.jetstreamManager({ timeout: 2000 });
      const info = await streamOf(manager);
      this.found = { js: this.client.jetstream({ timeout: 2000 }), number, created: String(info.created) };
    }
    return this.found;
  }

  async connect() {
    this.client = await connect({
      servers: this.address,
      name: 'shop',
      timeout: 2000,
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RETRY_MS,
      pingInterval: 5000,
      maxPingOut: 2,
    });
    this.count();
    this.follow(this.client);
  }

  async follow(client) {
    for await (const status of client.status()) {
      if (status.type === 'reconnect') this.count();
    }
  }
}

async function streamOf(manager) {
  try {
    return await manager.streams.info(STREAM);
  } catch (error) {
    if (!/not found/i.test(error.message)) throw error;
    return manager.streams.add({
      name: STREAM,
      subjects: [SUBJECT],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      duplicate_window: nanos(120_000),
    });
  }
}

module.exports = { Broker, RETRY_MS, SUBJECT, sleep };
