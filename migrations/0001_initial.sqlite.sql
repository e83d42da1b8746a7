-- Frozen from models.py by tools/freeze_schema.py. Statements are parted by empty lines.
-- Once released this file never changes: a change of the schema is a new migration.

CREATE TABLE "account" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "company" TEXT NOT NULL,
  "country" TEXT NOT NULL CHECK (length(country) = 2),
  "vat_id" TEXT NOT NULL,
  "street" TEXT NOT NULL,
  "postcode" TEXT NOT NULL,
  "city" TEXT NOT NULL,
  "old_email" TEXT NOT NULL,
  "old_email_proved_at" DATETIME,
  "invited_at" DATETIME,
  "created_at" DATETIME NOT NULL,
  "closed_at" DATETIME
)

CREATE INDEX "account_old_email" ON "account" ("old_email")

CREATE TABLE "audit_event" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "at" DATETIME NOT NULL,
  "actor" TEXT NOT NULL,
  "action" TEXT NOT NULL,
  "object" TEXT NOT NULL,
  "detail" TEXT NOT NULL
)

CREATE INDEX "audit_event_action" ON "audit_event" ("action")

CREATE TABLE "membership" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "account_id" INTEGER NOT NULL,
  "number" TEXT NOT NULL,
  "old_number" TEXT NOT NULL,
  "tier" TEXT NOT NULL,
  "status" TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'cancelled', 'expired')),
  "starts_on" DATE NOT NULL CHECK (starts_on IS NULL OR CAST(starts_on AS TEXT) LIKE '____-__-__'),
  "ends_on" DATE NOT NULL CHECK (ends_on IS NULL OR CAST(ends_on AS TEXT) LIKE '____-__-__'),
  "created_at" DATETIME NOT NULL,
  FOREIGN KEY ("account_id") REFERENCES "account" ("id")
)

CREATE INDEX "membership_account_id" ON "membership" ("account_id")

CREATE UNIQUE INDEX "membership_number" ON "membership" ("number")

CREATE INDEX "membership_old_number" ON "membership" ("old_number")

CREATE UNIQUE INDEX membership_running ON membership (account_id) WHERE status IN ('active', 'suspended')

CREATE TABLE "saved_card" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "account_id" INTEGER NOT NULL,
  "gateway" TEXT NOT NULL,
  "token" TEXT NOT NULL,
  "brand" TEXT NOT NULL,
  "last4" TEXT NOT NULL CHECK (length(last4) = 4),
  "expires" TEXT NOT NULL CHECK (expires LIKE '____-__'),
  "consented_at" DATETIME NOT NULL,
  FOREIGN KEY ("account_id") REFERENCES "account" ("id")
)

CREATE INDEX "saved_card_account_id" ON "saved_card" ("account_id")

CREATE UNIQUE INDEX "saved_card_token" ON "saved_card" ("token")

CREATE TABLE "invoice" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "number" TEXT NOT NULL,
  "kind" TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
  "account_id" INTEGER NOT NULL,
  "membership_id" INTEGER NOT NULL,
  "refers_id" INTEGER,
  "method" TEXT NOT NULL CHECK (method IN ('card', 'transfer')),
  "card_id" INTEGER,
  "currency" TEXT NOT NULL CHECK (length(currency) = 3),
  "net" INTEGER NOT NULL CHECK (net = CAST(net AS INTEGER)),
  "vat" INTEGER NOT NULL CHECK (vat = CAST(vat AS INTEGER)),
  "gross" INTEGER NOT NULL CHECK (gross = CAST(gross AS INTEGER)) CHECK (gross = net + vat),
  "vat_category" TEXT NOT NULL CHECK (vat_category IN ('S', 'AE', 'O')),
  "vat_rate" INTEGER NOT NULL CHECK (vat_rate = CAST(vat_rate AS INTEGER) AND vat_rate >= 0),
  "issued_on" DATE NOT NULL CHECK (issued_on IS NULL OR CAST(issued_on AS TEXT) LIKE '____-__-__'),
  "due_on" DATE NOT NULL CHECK (due_on IS NULL OR CAST(due_on AS TEXT) LIKE '____-__-__'),
  "dunned_from" DATE NOT NULL CHECK (dunned_from IS NULL OR CAST(dunned_from AS TEXT) LIKE '____-__-__'),
  "period_from" DATE NOT NULL CHECK (period_from IS NULL OR CAST(period_from AS TEXT) LIKE '____-__-__'),
  "period_to" DATE NOT NULL CHECK (period_to IS NULL OR CAST(period_to AS TEXT) LIKE '____-__-__'),
  "reference" TEXT NOT NULL,
  "seller" TEXT NOT NULL,
  "buyer" TEXT NOT NULL,
  "lines" TEXT NOT NULL,
  "demo" INTEGER NOT NULL,
  "status" TEXT NOT NULL CHECK (status IN ('open', 'paid', 'void')),
  "paid" INTEGER NOT NULL CHECK (paid = CAST(paid AS INTEGER)),
  "paid_on" DATE CHECK (paid_on IS NULL OR CAST(paid_on AS TEXT) LIKE '____-__-__'),
  FOREIGN KEY ("account_id") REFERENCES "account" ("id"),
  FOREIGN KEY ("membership_id") REFERENCES "membership" ("id"),
  FOREIGN KEY ("refers_id") REFERENCES "invoice" ("id"),
  FOREIGN KEY ("card_id") REFERENCES "saved_card" ("id")
)

CREATE UNIQUE INDEX "invoice_number" ON "invoice" ("number")

CREATE INDEX "invoice_account_id" ON "invoice" ("account_id")

CREATE INDEX "invoice_membership_id" ON "invoice" ("membership_id")

CREATE INDEX "invoice_refers_id" ON "invoice" ("refers_id")

CREATE INDEX "invoice_card_id" ON "invoice" ("card_id")

CREATE UNIQUE INDEX "invoice_reference" ON "invoice" ("reference")

CREATE TABLE "bank_entry" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "key" TEXT NOT NULL,
  "received_on" DATE NOT NULL CHECK (received_on IS NULL OR CAST(received_on AS TEXT) LIKE '____-__-__'),
  "amount" INTEGER NOT NULL CHECK (amount = CAST(amount AS INTEGER) AND amount >= 1),
  "currency" TEXT NOT NULL,
  "text" TEXT NOT NULL,
  "verdict" TEXT NOT NULL CHECK (verdict IN ('paid', 'partial', 'over', 'duplicate', 'review')),
  "invoice_id" INTEGER,
  "created_at" DATETIME NOT NULL,
  FOREIGN KEY ("invoice_id") REFERENCES "invoice" ("id")
)

CREATE UNIQUE INDEX "bank_entry_key" ON "bank_entry" ("key")

CREATE INDEX "bank_entry_invoice_id" ON "bank_entry" ("invoice_id")

CREATE TABLE "catalogue_item" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "key" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "kind" TEXT NOT NULL CHECK (kind IN ('body', 'cinema', 'lens', 'flash', 'printer', 'binoculars', 'accessory', 'consumable')),
  "points" INTEGER NOT NULL CHECK (points = CAST(points AS INTEGER) AND points >= 0),
  "registrable" INTEGER NOT NULL,
  "retired" INTEGER NOT NULL
)

CREATE UNIQUE INDEX "catalogue_item_key" ON "catalogue_item" ("key")

CREATE TABLE "counter" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "name" TEXT NOT NULL,
  "last" INTEGER NOT NULL CHECK (last = CAST(last AS INTEGER) AND last >= 0)
)

CREATE UNIQUE INDEX "counter_name" ON "counter" ("name")

CREATE TABLE "lease" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "name" TEXT NOT NULL,
  "holder" TEXT NOT NULL,
  "until" DATETIME NOT NULL
)

CREATE UNIQUE INDEX "lease_name" ON "lease" ("name")

CREATE TABLE "legacy_account" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "email" TEXT NOT NULL,
  "number" TEXT NOT NULL,
  "claimed_by_id" INTEGER,
  "claimed_at" DATETIME,
  FOREIGN KEY ("claimed_by_id") REFERENCES "account" ("id")
)

CREATE UNIQUE INDEX "legacy_account_email" ON "legacy_account" ("email")

CREATE INDEX "legacy_account_claimed_by_id" ON "legacy_account" ("claimed_by_id")

CREATE TABLE "product" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "account_id" INTEGER NOT NULL,
  "item_id" INTEGER NOT NULL,
  "points" INTEGER NOT NULL CHECK (points = CAST(points AS INTEGER) AND points >= 0),
  "serial" TEXT,
  "purchased" TEXT,
  "approximate" INTEGER NOT NULL,
  "country" TEXT,
  "dealer" TEXT,
  "source" TEXT NOT NULL CHECK (source IN ('manual', 'migrated', 'calculator')),
  "registered_at" DATETIME NOT NULL,
  "completed_at" DATETIME,
  "removed_at" DATETIME,
  "removal_reason" TEXT CHECK (removal_reason IN ('sold', 'lost', 'scrapped', 'mistake')),
  FOREIGN KEY ("account_id") REFERENCES "account" ("id"),
  FOREIGN KEY ("item_id") REFERENCES "catalogue_item" ("id"),
  CHECK ((removed_at IS NULL) = (removal_reason IS NULL))
)

CREATE INDEX "product_account_id" ON "product" ("account_id")

CREATE INDEX "product_item_id" ON "product" ("item_id")

CREATE UNIQUE INDEX product_serial ON product (item_id, serial) WHERE removed_at IS NULL AND serial IS NOT NULL

CREATE TABLE "legacy_product" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "legacy_account_id" INTEGER NOT NULL,
  "line" TEXT NOT NULL,
  "item_id" INTEGER NOT NULL,
  "serial" TEXT,
  "purchased" TEXT,
  "country" TEXT,
  "dealer" TEXT,
  "outcome" TEXT CHECK (outcome IN ('moved', 'taken', 'owned')),
  "product_id" INTEGER,
  FOREIGN KEY ("legacy_account_id") REFERENCES "legacy_account" ("id"),
  FOREIGN KEY ("item_id") REFERENCES "catalogue_item" ("id"),
  FOREIGN KEY ("product_id") REFERENCES "product" ("id")
)

CREATE INDEX "legacy_product_legacy_account_id" ON "legacy_product" ("legacy_account_id")

CREATE INDEX "legacy_product_item_id" ON "legacy_product" ("item_id")

CREATE UNIQUE INDEX "legacy_product_product_id" ON "legacy_product" ("product_id")

CREATE UNIQUE INDEX "legacy_product_legacy_account_id_line" ON "legacy_product" ("legacy_account_id", "line")

CREATE TABLE "user" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "email" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "role" TEXT NOT NULL CHECK (role IN ('customer', 'operator')),
  "account_id" INTEGER,
  "password_hash" TEXT,
  "language" TEXT NOT NULL CHECK (language IN ('hu', 'en')),
  "created_at" DATETIME NOT NULL,
  "disabled_at" DATETIME,
  FOREIGN KEY ("account_id") REFERENCES "account" ("id")
)

CREATE UNIQUE INDEX "user_email" ON "user" ("email")

CREATE INDEX "user_account_id" ON "user" ("account_id")

CREATE TABLE "login_session" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "token_hash" TEXT NOT NULL,
  "user_id" INTEGER NOT NULL,
  "user_agent" TEXT NOT NULL,
  "created_at" DATETIME NOT NULL,
  "seen_at" DATETIME NOT NULL,
  FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE
)

CREATE UNIQUE INDEX "login_session_token_hash" ON "login_session" ("token_hash")

CREATE INDEX "login_session_user_id" ON "login_session" ("user_id")

CREATE TABLE "mail_link" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "token_hash" TEXT NOT NULL,
  "purpose" TEXT NOT NULL CHECK (purpose IN ('activate', 'reset', 'old_email')),
  "user_id" INTEGER NOT NULL,
  "email" TEXT NOT NULL,
  "created_at" DATETIME NOT NULL,
  "expires_at" DATETIME NOT NULL,
  "used_at" DATETIME,
  FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE
)

CREATE UNIQUE INDEX "mail_link_token_hash" ON "mail_link" ("token_hash")

CREATE INDEX "mail_link_user_id" ON "mail_link" ("user_id")

CREATE TABLE "customer_order" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "key" TEXT NOT NULL,
  "account_id" INTEGER NOT NULL,
  "tier" TEXT NOT NULL,
  "method" TEXT NOT NULL CHECK (method IN ('card', 'transfer')),
  "payment_country" TEXT NOT NULL CHECK (length(payment_country) = 2),
  "billing" TEXT NOT NULL,
  "membership_id" INTEGER,
  "created_at" DATETIME NOT NULL,
  FOREIGN KEY ("account_id") REFERENCES "account" ("id"),
  FOREIGN KEY ("membership_id") REFERENCES "membership" ("id")
)

CREATE UNIQUE INDEX "customer_order_key" ON "customer_order" ("key")

CREATE INDEX "customer_order_account_id" ON "customer_order" ("account_id")

CREATE UNIQUE INDEX "customer_order_membership_id" ON "customer_order" ("membership_id")

CREATE TABLE "outbox_mail" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "key" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "recipient" TEXT NOT NULL,
  "language" TEXT NOT NULL CHECK (language IN ('hu', 'en')),
  "subject" TEXT NOT NULL,
  "text" TEXT NOT NULL,
  "html" TEXT NOT NULL,
  "message_id" TEXT NOT NULL,
  "created_at" DATETIME NOT NULL,
  "due_at" DATETIME NOT NULL,
  "leased_until" DATETIME,
  "attempts" INTEGER NOT NULL CHECK (attempts = CAST(attempts AS INTEGER) AND attempts >= 0),
  "sent_at" DATETIME,
  "dead_at" DATETIME,
  "error" TEXT NOT NULL
)

CREATE UNIQUE INDEX "outbox_mail_key" ON "outbox_mail" ("key")

CREATE UNIQUE INDEX "outbox_mail_message_id" ON "outbox_mail" ("message_id")

CREATE INDEX "outbox_mail_due_at" ON "outbox_mail" ("due_at")

CREATE TABLE "payment" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "invoice_id" INTEGER NOT NULL,
  "method" TEXT NOT NULL CHECK (method IN ('card', 'transfer')),
  "key" TEXT NOT NULL,
  "amount" INTEGER NOT NULL CHECK (amount = CAST(amount AS INTEGER) AND amount >= 1),
  "state" TEXT NOT NULL CHECK (state IN ('sent', 'paid', 'pending', 'action', 'declined')),
  "gateway_ref" TEXT NOT NULL,
  "code" TEXT NOT NULL,
  "created_at" DATETIME NOT NULL,
  "on" DATE NOT NULL CHECK (CAST("on" AS TEXT) LIKE '____-__-__'),
  FOREIGN KEY ("invoice_id") REFERENCES "invoice" ("id")
)

CREATE INDEX "payment_invoice_id" ON "payment" ("invoice_id")

CREATE UNIQUE INDEX "payment_key" ON "payment" ("key")

CREATE UNIQUE INDEX payment_in_flight ON payment (invoice_id) WHERE state IN ('sent', 'pending')

CREATE TABLE "point_event" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "account_id" INTEGER NOT NULL,
  "product_id" INTEGER,
  "delta" INTEGER NOT NULL CHECK (delta = CAST(delta AS INTEGER)),
  "reason" TEXT NOT NULL CHECK (reason IN ('completed', 'removed', 'adjusted')),
  "created_at" DATETIME NOT NULL,
  FOREIGN KEY ("account_id") REFERENCES "account" ("id"),
  FOREIGN KEY ("product_id") REFERENCES "product" ("id")
)

CREATE INDEX "point_event_account_id" ON "point_event" ("account_id")

CREATE INDEX "point_event_product_id" ON "point_event" ("product_id")

CREATE UNIQUE INDEX point_event_once ON point_event (product_id, reason) WHERE reason <> 'adjusted'

CREATE TABLE "setting" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "key" TEXT NOT NULL,
  "value" TEXT NOT NULL
)

CREATE UNIQUE INDEX "setting_key" ON "setting" ("key")

CREATE TABLE "token_bucket" (
  "id" INTEGER NOT NULL PRIMARY KEY,
  "key" TEXT NOT NULL,
  "tokens" REAL NOT NULL,
  "updated" REAL NOT NULL
)

CREATE UNIQUE INDEX "token_bucket_key" ON "token_bucket" ("key")

CREATE INDEX "token_bucket_updated" ON "token_bucket" ("updated")

CREATE TRIGGER audit_event_update BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END

CREATE TRIGGER audit_event_delete BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END

CREATE TRIGGER invoice_update BEFORE UPDATE OF
  "id",
  "number",
  "kind",
  "account_id",
  "membership_id",
  "refers_id",
  "currency",
  "net",
  "vat",
  "gross",
  "vat_category",
  "vat_rate",
  "issued_on",
  "due_on",
  "period_from",
  "period_to",
  "reference",
  "seller",
  "buyer",
  "lines",
  "demo"
ON invoice
BEGIN SELECT RAISE(ABORT, 'an issued invoice is frozen; correct it by a credit note'); END

CREATE TRIGGER invoice_delete BEFORE DELETE ON invoice
BEGIN SELECT RAISE(ABORT, 'an issued invoice is frozen; correct it by a credit note'); END
