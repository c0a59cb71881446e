'use strict';
// What a basket is, and the texts that are made of it: the same, byte for byte, as orders.py makes.

class Refused extends Error {
  constructor(status, error, headers = {}) {
    super(error);
    this.status = status;
    this.headers = headers;
  }
}

const MAX_LINES = 20;
const MAX_QUANTITY = 100;
const MAX_ID = 999_999_999;
const utf8 = new TextDecoder('utf-8', { fatal: true });

// The lines of the basket that the body is. Throws Refused for whatever is none.
function basketOf(body) {
  const items = onlyKeys(parsed(body), 'items').items;
  if (!Array.isArray(items) || items.length < 1 || items.length > MAX_LINES) {
    throw new Refused(422, `items is a list of 1 to ${MAX_LINES}`);
  }
  const lines = items.map((item) => {
    if (!isObject(item)) throw new Refused(422, 'each of items is an object');
    const { id, quantity } = onlyKeys(item, 'id', 'quantity');
    if (!isWhole(id, MAX_ID) || !isWhole(quantity, MAX_QUANTITY)) {
      throw new Refused(422, `id is a whole number from 1 to ${MAX_ID}, quantity from 1 to ${MAX_QUANTITY}`);
    }
    return { id, quantity };
  });
  if (new Set(lines.map((line) => line.id)).size !== lines.length) {
    throw new Refused(422, 'each item stands in one line');
  }
  return lines;
}

function parsed(body) {
  let content;
  try {
    content = JSON.parse(utf8.decode(body || new Uint8Array()));
  } catch {
    throw new Refused(400, 'the body is not JSON');
  }
  if (!isObject(content)) throw new Refused(422, 'the body is not a JSON object');
  return content;
}

function onlyKeys(content, ...keys) {
  const found = Object.keys(content);
  if (found.length !== keys.length || !keys.every((key) => found.includes(key))) {
    throw new Refused(422, `an object with exactly these keys is needed: ${keys.join(', ')}`);
  }
  return content;
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isWhole = (value, high) => Number.isInteger(value) && value >= 1 && value <= high;

// The basket in one way of writing, whatever the order of its lines: equal baskets are equal texts.
function basketText(lines) {
  const sorted = [...lines].sort((one, other) => one.id - other.id);
  return `[${sorted.map((line) => `[${line.id}, ${line.quantity}]`).join(', ')}]`;
}

// What the buyer is told, as JSON.
function answerText(order, lines, prices) {
  const items = lines.map(({ id, quantity }) => ({ id, quantity, price_cents: prices.get(id) }));
  const total = items.reduce((sum, item) => sum + item.price_cents * item.quantity, 0);
  return JSON.stringify({ id: order, status: 'paid', total_cents: total, items });
}

// The event order.paid, as JSON. The stamp is a bigint, which JSON.stringify does not write.
function eventText(order, lines, paidNs) {
  return `{"event":"${order}","type":"order.paid","paid_ns":${paidNs},"items":${JSON.stringify(lines)}}`;
}

module.exports = { Refused, answerText, basketOf, basketText, eventText };
