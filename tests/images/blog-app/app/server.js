'use strict';

const express = require('express');
const redis = require('redis');

const port = Number(process.env.PORT || 8080);
const database = redis.createClient({
  url: process.env.REDIS_URL || 'redis://db:6379',
  socket: { reconnectStrategy: () => 200 },
});
database.on('error', (error) => console.error(`redis: ${error.code || error.message}`));

const app = express();
app.disable('x-powered-by');

app.get('/', async (request, response) => {
  try {
    const hits = await database.incr('hits');
    console.log(`GET / hits ${hits}`);
    response.type('text').send(`hits ${hits}\n`);
  } catch (error) {
    response.status(503).type('text').send(`redis: ${error.message}\n`);
  }
});
app.get('/health', (request, response) => response.sendStatus(database.isReady ? 200 : 503));

async function main() {
  await database.connect();
  const server = app.listen(port, () => console.log(`blog-app listens on ${port}`));
  process.on('SIGTERM', () => {
    console.log('blog-app stops: SIGTERM');
    server.close(async () => {
      await database.quit();
      process.exit(0);
    });
    server.closeIdleConnections();
  });
}

main();
