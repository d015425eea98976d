BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE autofi_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT autofi_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "autofi_alembic_version" VALUES('0001');
CREATE TABLE autofi_architecture (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	architecture_id VARCHAR(64) NOT NULL, 
	architecture TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT uq_autofi_architecture UNIQUE (study_id, architecture_id), 
	FOREIGN KEY(study_id) REFERENCES autofi_study (id) ON DELETE CASCADE
);
INSERT INTO "autofi_architecture" VALUES(1,1,'a0','{"pairs": {"user\u00d7item": "memorize", "user\u00d7hour": "naive"}, "head": {"layers": [64, 32]}}');
INSERT INTO "autofi_architecture" VALUES(2,1,'a1','{"pairs": {"user\u00d7item": "memorize", "user\u00d7hour": "naive"}, "head": {"layers": [64, 32]}}');
INSERT INTO "autofi_architecture" VALUES(3,1,'a2','{"pairs": {"user\u00d7item": "memorize", "user\u00d7hour": "naive"}, "head": {"layers": [64, 32]}}');
CREATE TABLE autofi_export (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	architecture_id VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study_id) REFERENCES autofi_study (id) ON DELETE CASCADE
);
CREATE TABLE autofi_model (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	architecture_id VARCHAR(64) NOT NULL, 
	seed BIGINT NOT NULL, 
	refit BOOLEAN NOT NULL, 
	metrics TEXT NOT NULL, 
	parameters BIGINT, 
	table_bytes BIGINT, 
	seconds DOUBLE, 
	path TEXT, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT uq_autofi_model UNIQUE (study_id, role, name, architecture_id, seed, refit), 
	FOREIGN KEY(study_id) REFERENCES autofi_study (id) ON DELETE CASCADE
);
INSERT INTO "autofi_model" VALUES(1,1,'winner','winner','a1',0,0,'{"test": {"auc": 0.7}}',NULL,NULL,NULL,NULL,'2026-11-22 04:06:24.371573');
CREATE TABLE autofi_stage (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	payload TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT uq_autofi_stage UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES autofi_study (id) ON DELETE CASCADE
);
INSERT INTO "autofi_stage" VALUES(1,1,'proposal','{"pairs": []}','2026-11-22 04:06:24.361300');
CREATE TABLE autofi_study (
	id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	space_name VARCHAR(200) NOT NULL, 
	space TEXT NOT NULL, 
	space_fingerprint VARCHAR(128) NOT NULL, 
	data_source TEXT NOT NULL, 
	data_fingerprint VARCHAR(128) NOT NULL, 
	settings TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	versions TEXT NOT NULL, 
	package_version VARCHAR(64) NOT NULL, 
	owner_pid BIGINT, 
	owner_host VARCHAR(255), 
	owner_place VARCHAR(128), 
	owner_started VARCHAR(64), 
	owner_token VARCHAR(32), 
	owner_seen_at DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "autofi_study" VALUES(1,'clicks','optinter','{"pairs": ["naive", "factorize", "memorize"], "title": "größe"}','5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a','clicks.parquet','dadadadadadadadadadadadadadadadadadadadadadadadadadadadadadadada','{"seed": 3, "seeds": [0, 1, 2], "split": "random:0.8,0.1,0.1"}','2026-11-22 04:06:23.199924','{"python": "3.11.7", "torch": "2.13.0+cpu", "numpy": "2.4.6", "pyarrow": "26.0.1", "pandas": "3.1.1", "optuna": "5.0.0", "sqlalchemy": "2.1.9"}','0.1.0',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'clicks');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["valid AUC"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'autofi_space','"optinter"');
INSERT INTO "study_user_attributes" VALUES(2,1,'autofi_space_fingerprint','"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"');
INSERT INTO "study_user_attributes" VALUES(3,1,'autofi_data','"clicks.parquet"');
INSERT INTO "study_user_attributes" VALUES(4,1,'autofi_data_fingerprint','"dadadadadadadadadadadadadadadadadadadadadadadadadadadadadadadada"');
INSERT INTO "study_user_attributes" VALUES(5,1,'autofi_version','"0.1.0"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'pair user×item',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["naive", "factorize", "memorize"]}}');
INSERT INTO "trial_params" VALUES(2,1,'embedding size',16.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 1024}}');
INSERT INTO "trial_params" VALUES(3,1,'dropout',0.25,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(4,2,'pair user×item',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["naive", "factorize", "memorize"]}}');
INSERT INTO "trial_params" VALUES(5,2,'embedding size',16.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 1024}}');
INSERT INTO "trial_params" VALUES(6,2,'dropout',0.25,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(7,3,'pair user×item',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["naive", "factorize", "memorize"]}}');
INSERT INTO "trial_params" VALUES(8,3,'embedding size',16.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 1024}}');
INSERT INTO "trial_params" VALUES(9,3,'dropout',0.25,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'stage','"scratch"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'architecture_id','"a0"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(4,1,'valid','{"auc": 0.7, "logloss": 0.4}');
INSERT INTO "trial_user_attributes" VALUES(5,1,'parameters','1200');
INSERT INTO "trial_user_attributes" VALUES(6,1,'table_bytes','4800');
INSERT INTO "trial_user_attributes" VALUES(7,1,'seconds','1.5');
INSERT INTO "trial_user_attributes" VALUES(8,2,'stage','"scratch"');
INSERT INTO "trial_user_attributes" VALUES(9,2,'architecture_id','"a1"');
INSERT INTO "trial_user_attributes" VALUES(10,2,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(11,2,'valid','{"auc": 0.71, "logloss": 0.4}');
INSERT INTO "trial_user_attributes" VALUES(12,2,'parameters','1200');
INSERT INTO "trial_user_attributes" VALUES(13,2,'table_bytes','4800');
INSERT INTO "trial_user_attributes" VALUES(14,2,'seconds','1.5');
INSERT INTO "trial_user_attributes" VALUES(15,3,'stage','"scratch"');
INSERT INTO "trial_user_attributes" VALUES(16,3,'architecture_id','"a2"');
INSERT INTO "trial_user_attributes" VALUES(17,3,'seed','0');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.7,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.71,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-22 04:06:23.904649','2026-11-22 04:06:24.104308');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-22 04:06:24.152968','2026-11-22 04:06:24.270909');
INSERT INTO "trials" VALUES(3,2,1,'RUNNING','2026-11-22 04:06:24.290026',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE INDEX ix_autofi_export_study_id ON autofi_export (study_id);
COMMIT;
