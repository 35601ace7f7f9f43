"""One verb each: prepare, run, verify, data check, new. They print nothing."""
