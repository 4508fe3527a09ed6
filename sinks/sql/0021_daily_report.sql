-- A day of the quarantine report is counted again while receipts of it may still arrive [DB75].
SET LOCAL ROLE migrator;

GRANT UPDATE (receipts, quarantined, share, flagged) ON dlr.quarantine_daily TO dlr_svc;
