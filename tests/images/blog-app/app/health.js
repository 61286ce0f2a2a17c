'use strict';

// The health check of the image: exit 0 when the application and its database answer.
require('http')
  .get(`http://127.0.0.1:${process.env.PORT || 8080}/health`, (response) => {
    process.exit(response.statusCode === 200 ? 0 : 1);
  })
  .on('error', () => process.exit(1));
