//! Tables of the catalog that never have a row: what Postgres has, and Touriga has not.
//!
//! Must not know: queries. Invariant: a table has the columns of its line, each with a letter of its type as in `tables`.

/// Tables that never have a row.
pub(super) const EMPTY: &[(&str, &str, &str)] = &[
    (
        "pg_catalog",
        "pg_constraint",
        "oid:o conname:t connamespace:o contype:t condeferrable:b condeferred:b convalidated:b conrelid:o contypid:o conindid:o \
         conparentid:o confrelid:o confupdtype:t confdeltype:t confmatchtype:t conislocal:b coninhcount:4 connoinherit:b conkey:t \
         confkey:t conpfeqop:t conppeqop:t conffeqop:t confdelsetcols:t conexclop:t conbin:t",
    ),
    (
        "pg_catalog",
        "pg_index",
        "indexrelid:o indrelid:o indnatts:2 indnkeyatts:2 indisunique:b indnullsnotdistinct:b indisprimary:b indisexclusion:b \
         indimmediate:b indisclustered:b indisvalid:b indcheckxmin:b indisready:b indislive:b indisreplident:b indkey:t \
         indcollation:t indclass:t indoption:t indexprs:t indpred:t",
    ),
    (
        "pg_catalog",
        "pg_attrdef",
        "oid:o adrelid:o adnum:2 adbin:t",
    ),
    (
        "pg_catalog",
        "pg_description",
        "objoid:o classoid:o objsubid:4 description:t",
    ),
    (
        "pg_catalog",
        "pg_shdescription",
        "objoid:o classoid:o description:t",
    ),
    (
        "pg_catalog",
        "pg_collation",
        "oid:o collname:t collnamespace:o collowner:o collprovider:t collisdeterministic:b collencoding:4 collcollate:t collctype:t",
    ),
    (
        "pg_catalog",
        "pg_inherits",
        "inhrelid:o inhparent:o inhseqno:4 inhdetachpending:b",
    ),
    (
        "pg_catalog",
        "pg_trigger",
        "oid:o tgrelid:o tgparentid:o tgname:t tgfoid:o tgtype:2 tgenabled:t tgisinternal:b tgconstrrelid:o tgconstrindid:o tgconstraint:o tgdeferrable:b tginitdeferred:b tgnargs:2 tgattr:t tgargs:t tgqual:t tgoldtable:t tgnewtable:t",
    ),
    (
        "pg_catalog",
        "pg_rewrite",
        "oid:o rulename:t ev_class:o ev_type:t ev_enabled:t is_instead:b ev_qual:t ev_action:t",
    ),
    (
        "pg_catalog",
        "pg_policy",
        "oid:o polname:t polrelid:o polcmd:t polpermissive:b polroles:t polqual:t polwithcheck:t",
    ),
    (
        "pg_catalog",
        "pg_statistic_ext",
        "oid:o stxrelid:o stxname:t stxnamespace:o stxowner:o stxstattarget:4 stxkeys:t stxkind:t stxexprs:t",
    ),
    (
        "pg_catalog",
        "pg_publication",
        "oid:o pubname:t pubowner:o puballtables:b pubinsert:b pubupdate:b pubdelete:b pubtruncate:b pubviaroot:b",
    ),
    (
        "pg_catalog",
        "pg_publication_rel",
        "oid:o prpubid:o prrelid:o prqual:t prattrs:t",
    ),
    (
        "pg_catalog",
        "pg_publication_namespace",
        "oid:o pnpubid:o pnnspid:o",
    ),
    (
        "pg_catalog",
        "pg_enum",
        "oid:o enumtypid:o enumsortorder:f enumlabel:t",
    ),
    (
        "pg_catalog",
        "pg_range",
        "rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o rngcanonical:t rngsubdiff:t",
    ),
    (
        "pg_catalog",
        "pg_proc",
        "oid:o proname:t pronamespace:o proowner:o prolang:o prokind:t prosecdef:b proretset:b provolatile:t pronargs:2 prorettype:o proargtypes:t proallargtypes:t proargmodes:t proargnames:t proisagg:b proiswindow:b prosrc:t",
    ),
    (
        "pg_catalog",
        "pg_depend",
        "classid:o objid:o objsubid:4 refclassid:o refobjid:o refobjsubid:4 deptype:t",
    ),
    (
        "pg_catalog",
        "pg_sequence",
        "seqrelid:o seqtypid:o seqstart:8 seqincrement:8 seqmax:8 seqmin:8 seqcache:8 seqcycle:b",
    ),
    (
        "pg_catalog",
        "pg_extension",
        "oid:o extname:t extowner:o extnamespace:o extrelocatable:b extversion:t extconfig:t extcondition:t",
    ),
    (
        "pg_catalog",
        "pg_tablespace",
        "oid:o spcname:t spcowner:o spcacl:t spcoptions:t",
    ),
    (
        "pg_catalog",
        "pg_partitioned_table",
        "partrelid:o partstrat:t partnatts:2 partdefid:o partattrs:t partclass:t partcollation:t partexprs:t",
    ),
    (
        "pg_catalog",
        "pg_language",
        "oid:o lanname:t lanowner:o lanispl:b lanpltrusted:b",
    ),
    (
        "pg_catalog",
        "pg_operator",
        "oid:o oprname:t oprnamespace:o oprleft:o oprright:o oprresult:o",
    ),
    (
        "pg_catalog",
        "pg_opclass",
        "oid:o opcmethod:o opcname:t opcnamespace:o opcintype:o opcdefault:b opckeytype:o",
    ),
    (
        "pg_catalog",
        "pg_cast",
        "oid:o castsource:o casttarget:o castfunc:o castcontext:t castmethod:t",
    ),
    (
        "pg_catalog",
        "pg_foreign_table",
        "ftrelid:o ftserver:o ftoptions:t",
    ),
    (
        "pg_catalog",
        "pg_foreign_server",
        "oid:o srvname:t srvowner:o srvfdw:o srvtype:t srvversion:t srvoptions:t",
    ),
    (
        "pg_catalog",
        "pg_foreign_data_wrapper",
        "oid:o fdwname:t fdwowner:o fdwoptions:t",
    ),
    (
        "pg_catalog",
        "pg_event_trigger",
        "oid:o evtname:t evtevent:t evtowner:o evtfoid:o evtenabled:t evttags:t",
    ),
    (
        "pg_catalog",
        "pg_auth_members",
        "roleid:o member:o grantor:o admin_option:b",
    ),
    (
        "pg_catalog",
        "pg_seclabel",
        "objoid:o classoid:o objsubid:4 provider:t label:t",
    ),
    (
        "pg_catalog",
        "pg_views",
        "schemaname:t viewname:t viewowner:t definition:t",
    ),
    (
        "pg_catalog",
        "pg_matviews",
        "schemaname:t matviewname:t matviewowner:t tablespace:t hasindexes:b ispopulated:b definition:t",
    ),
    (
        "pg_catalog",
        "pg_indexes",
        "schemaname:t tablename:t indexname:t tablespace:t indexdef:t",
    ),
    (
        "pg_catalog",
        "pg_stat_activity",
        "datid:o datname:t pid:4 usename:t application_name:t state:t query:t",
    ),
    (
        "pg_catalog",
        "pg_stat_user_tables",
        "relid:o schemaname:t relname:t seq_scan:8 n_live_tup:8 n_dead_tup:8",
    ),
    (
        "pg_catalog",
        "pg_locks",
        "locktype:t database:o relation:o pid:4 mode:t granted:b",
    ),
    (
        "information_schema",
        "views",
        "table_catalog:t table_schema:t table_name:t view_definition:t",
    ),
    (
        "information_schema",
        "table_constraints",
        "constraint_catalog:t constraint_schema:t constraint_name:t table_catalog:t table_schema:t table_name:t constraint_type:t is_deferrable:t initially_deferred:t enforced:t",
    ),
    (
        "information_schema",
        "key_column_usage",
        "constraint_catalog:t constraint_schema:t constraint_name:t table_catalog:t table_schema:t table_name:t column_name:t ordinal_position:4 position_in_unique_constraint:4",
    ),
    (
        "information_schema",
        "referential_constraints",
        "constraint_catalog:t constraint_schema:t constraint_name:t unique_constraint_catalog:t unique_constraint_schema:t unique_constraint_name:t match_option:t update_rule:t delete_rule:t",
    ),
    (
        "information_schema",
        "constraint_column_usage",
        "table_catalog:t table_schema:t table_name:t column_name:t constraint_catalog:t constraint_schema:t constraint_name:t",
    ),
    (
        "information_schema",
        "routines",
        "specific_catalog:t specific_schema:t specific_name:t routine_catalog:t routine_schema:t routine_name:t routine_type:t data_type:t",
    ),
    (
        "information_schema",
        "parameters",
        "specific_catalog:t specific_schema:t specific_name:t ordinal_position:4 parameter_mode:t parameter_name:t data_type:t",
    ),
    (
        "information_schema",
        "sequences",
        "sequence_catalog:t sequence_schema:t sequence_name:t data_type:t",
    ),
    (
        "information_schema",
        "triggers",
        "trigger_catalog:t trigger_schema:t trigger_name:t event_object_table:t",
    ),
];

/// Whether a table never has a row.
pub(super) fn is_always_empty(name: &str) -> bool {
    EMPTY.iter().any(|(_, known, _)| *known == name)
}
