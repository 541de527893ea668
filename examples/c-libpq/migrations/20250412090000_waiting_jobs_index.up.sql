CREATE INDEX CONCURRENTLY waiting_jobs ON jobs (id) WHERE state = 'waiting';
