"""Schemas and tables of the three layers: raw (every change), transformed (the rows as they are now), refined (a summary).

Must not know: the source's rows. Invariant: the transformed layer is made by configuration alone, from the same topics as the raw one.
"""

import source

REFINED, REFINED_TOPIC = "refinado_condominios", "condominio.refinado.condominios"

# Columns of the transformed tables: name -> type, and what reads them out of `after`.
COLUMNS = {
    "condominios": {"nome": "STRING", "cidade": "STRING"},
    "moradores": {"condominio_id": "LONG", "nome": "STRING", "ativo": "BOOLEAN"},
    "imoveis": {"condominio_id": "LONG", "numero": "STRING", "area_m2": "INT"},
    "transacoes": {"condominio_id": "LONG", "tipo": "STRING", "valor": "BIG_DECIMAL"},
}
WHICH_SIDE = "CASE WHEN strcmp(op, 'd') = 0 THEN {before} ELSE {after} END"


def time_column(name):
    return [{"name": name, "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]


def schema(name, columns, time, key=()):
    out = {"schemaName": name, "dimensionFieldSpecs": [{"name": column, "dataType": kind} for column, kind in columns.items()],
           "dateTimeFieldSpecs": time_column(time)}
    return {**out, "primaryKeyColumns": list(key)} if key else out


def table(name, topic, kafka, time, transforms=None, upsert=None, inverted=()):
    out = {
        "tableName": name, "tableType": "REALTIME", "tenants": {}, "metadata": {},
        "segmentsConfig": {"timeColumnName": time, "replication": "1"},
        "tableIndexConfig": {"loadMode": "MMAP", "invertedIndexColumns": list(inverted)},
        "ingestionConfig": {
            "streamIngestionConfig": {"streamConfigMaps": [{
                "streamType": "kafka", "stream.kafka.topic.name": topic, "stream.kafka.broker.list": kafka,
                "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
                "stream.kafka.consumer.prop.auto.offset.reset": "smallest", "realtime.segment.flush.threshold.rows": "1500"}]},
            "transformConfigs": [{"columnName": column, "transformFunction": function} for column, function in (transforms or {}).items()]},
    }
    if upsert:
        out["upsertConfig"] = upsert
        out["routing"] = {"instanceSelectorType": "strictReplicaGroup"}
    return out


def from_after(column, kind):
    if kind in ("LONG", "INT"):
        return f"jsonPathLong(after, '$.{column}', 0)"
    return f"jsonPathString(after, '$.{column}', '{'0' if kind == 'BIG_DECIMAL' else 'false' if kind == 'BOOLEAN' else ''}')"


def raw(name, kafka):
    """Every envelope, as it came; the condominiums that it touches beside it."""
    path = "$.id" if name == "condominios" else "$.condominio_id"
    columns = {"op": "STRING", "lsn": "LONG", "before": "JSON", "after": "JSON", "antes": "LONG", "depois": "LONG"}
    transforms = {"lsn": "jsonPathLong(source, '$.lsn', 0)", "antes": f"jsonPathLong(before, '{path}', 0)",
                  "depois": f"jsonPathLong(after, '{path}', 0)"}
    return schema(f"raw_{name}", columns, "ts_ms"), table(f"raw_{name}", source.topic(name), kafka, "ts_ms", transforms)


def transformed(name, kafka):
    """The rows as the source has them now."""
    columns = {"id": "LONG", **COLUMNS[name], "lsn": "LONG", "apagado": "BOOLEAN"}
    transforms = {
        "id": WHICH_SIDE.format(before="jsonPathLong(before, '$.id', -1)", after="jsonPathLong(after, '$.id', -1)"),
        **{column: from_after(column, kind) for column, kind in COLUMNS[name].items()},
        "lsn": "jsonPathLong(source, '$.lsn', 0)", "apagado": "op IS NOT DISTINCT FROM 'd'"}
    upsert = {"mode": "FULL", "comparisonColumns": ["lsn"], "deleteRecordColumn": "apagado"}
    return schema(name, columns, "ts_ms", ["id"]), table(name, source.topic(name), kafka, "ts_ms", transforms, upsert,
                                                        ["condominio_id"] if name != "condominios" else [])


def refined(kafka):
    """One row a condominium, written by refine.py."""
    columns = {"id": "LONG", "nome": "STRING", "cidade": "STRING", "moradores": "LONG", "imoveis": "LONG", "transacoes": "LONG",
               "receita": "DOUBLE", "despesa": "DOUBLE", "versao": "LONG", "removido": "BOOLEAN"}
    upsert = {"mode": "FULL", "comparisonColumns": ["versao"], "deleteRecordColumn": "removido"}
    return schema(REFINED, columns, "atualizado_ms", ["id"]), table(REFINED, REFINED_TOPIC, kafka, "atualizado_ms", None, upsert)
