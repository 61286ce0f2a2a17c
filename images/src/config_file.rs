//! Credentials as `docker login` leaves them: `config.json`, and the helpers it names.
