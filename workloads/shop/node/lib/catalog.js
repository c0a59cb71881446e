'use strict';
// The catalog as payments asks it over HTTP, on kept-alive connections.

const { Pool } = require('undici');

const { RETRY_MS, sleep } = require('./broker.js');

const TIMEOUT_MS = 5000;

class CatalogDown extends Error {}

class Catalog {
  constructor(address) {
    this.pool = new Pool(`http://${address}`, { connections: 32, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  }

  // The prices in cents of those items that exist, as a Map. Throws CatalogDown.
  async prices(numbers) {
    const text = await this.get(`/catalog/prices?ids=${numbers.join(',')}`);
    try {
      return new Map(Object.entries(JSON.parse(text).prices).map(([id, price]) => [Number(id), price]));
    } catch (error) {
      throw new CatalogDown(`an answer that is none: ${error.message}`);
    }
  }

  // Resolves once the catalog has said that it is ready.
  async answers() {
    for (;;) {
      try {
        await this.get('/catalog/health');
        return;
      } catch (error) {
        if (!(error instanceof CatalogDown)) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async get(path) {
    try {
      return await this.once(path);
    } catch (error) {
      // A connection that the other side had closed meanwhile: asking again is harmless, for it is a GET.
      if (error.code !== 'UND_ERR_SOCKET' && error.code !== 'ECONNRESET') throw new CatalogDown(error.message);
    }
    try {
      return await this.once(path);
    } catch (error) {
      throw new CatalogDown(error.message);
    }
  }

  async once(path) {
    const { statusCode, body } = await this.pool.request({ path, method: 'GET' });
    const text = await body.text();
    if (statusCode !== 200) throw new CatalogDown(`status ${statusCode}`);
    return text;
  }
}

module.exports = { Catalog, CatalogDown };
