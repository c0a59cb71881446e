'use strict';
// Brings the outbox's events to the broker, at least once: one is pending until the broker has acknowledged it.

const fs = require('node:fs');

const { headers } = require('nats');

const { RETRY_MS, SUBJECT, sleep } = require('./broker.js');

const BATCH = 64;
const ACK_TIMEOUT_MS = 2000;
const IDLE_MS = 1000; // how long it trusts that nobody has called `wake`

// Stamps are CLOCK_MONOTONIC, with the name of the kernel that it belongs to.
const KERNEL = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'ascii').trim();

class Relay {
  constructor(orders, broker) {
    this.orders = orders;
    this.broker = broker;
    this.connection = 0;
    this.woken = false;
    this.connected = new Promise((resolve) => {
      this.nowConnected = resolve;
    });
  }

  // There is a new event.
  wake() {
    this.woken = true;
    if (this.rouse) this.rouse();
  }

  // For ever, over however many connections it takes.
  async run() {
    for (;;) {
      const link = await this.broker.link();
      if (link.number !== this.connection) {
        this.connection = link.number;
        if (await this.orders.publishInto(link.created)) {
          console.info("the broker's stream is a new one: every event is published into it");
        }
      }
      this.nowConnected();
      this.woken = false;
      const pending = await this.orders.pending(BATCH);
      if (pending.length === 0) await this.idle();
      else if (!(await this.publish(link, pending))) await sleep(RETRY_MS);
    }
  }

  // Whether the broker acknowledged all of them; what it did is marked in any case. What is under way when the
  // connection is made anew is not waited for: it is published again, and the broker knows it by its id.
  async publish(link, pending) {
    const another = this.broker.another(link.number).then(() => false);
    const results = await Promise.all(pending.map((event) => Promise.race([one(link.js, event), another])));
    const acknowledged = pending.filter((_, index) => results[index]).map((event) => event.number);
    if (acknowledged.length > 0) await this.orders.published(acknowledged);
    return acknowledged.length === pending.length;
  }

  async idle() {
    if (this.woken) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, IDLE_MS);
      this.rouse = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.rouse = null;
  }
}

async function one(js, event) {
  const stamped = headers();
  stamped.set('Shop-Kernel', KERNEL);
  stamped.set('Shop-Published-Ns', String(process.hrtime.bigint()));
  try {
    await js.publish(SUBJECT, event.payload, { msgID: event.event, headers: stamped, timeout: ACK_TIMEOUT_MS });
    return true;
  } catch (error) {
    console.info('not acknowledged yet:', event.event, error.message);
    return false;
  }
}

module.exports = { Relay };
