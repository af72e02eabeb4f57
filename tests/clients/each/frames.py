"""Engines that read and write columns on the store: pyarrow, polars and duckdb."""

from kit import client, same_bytes


@client(full=True)
def pyarrow(case):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    from pyarrow import fs
    s3 = fs.S3FileSystem(access_key=case.key, secret_key=case.secret, region="us-east-1", scheme="http",
                         endpoint_override=case.endpoint.removeprefix("http://"), allow_bucket_creation=True, allow_bucket_deletion=True)
    s3.create_dir(case.bucket)
    content = case.big.read_bytes()
    with s3.open_output_stream(f"{case.bucket}/dir/big", metadata={"Content-Type": "text/x"}) as out:
        for at in range(0, len(content), 1 << 20):
            out.write(content[at : at + (1 << 20)])
    with s3.open_input_file(f"{case.bucket}/dir/big") as file:
        assert file.size() == len(content) and file.metadata()["Content-Type"] == b"text/x"
        same_bytes(file.read_at(100_000, 9 << 20), content[9 << 20 : (9 << 20) + 100_000], "from the middle")
        same_bytes(file.read(), content, "in parts")
    s3.copy_file(f"{case.bucket}/dir/big", f"{case.bucket}/dir/copy ü")
    s3.move(f"{case.bucket}/dir/copy ü", f"{case.bucket}/dir/moved")
    told = s3.get_file_info(fs.FileSelector(case.bucket, recursive=True))
    assert sorted((info.path, info.size if info.is_file else None) for info in told) == [
        (f"{case.bucket}/dir", None), (f"{case.bucket}/dir/big", len(content)), (f"{case.bucket}/dir/moved", len(content))], told
    table = pa.table({"part": pa.array([index % 5 for index in range(50_000)]), "value": pa.array(range(50_000))})
    ds.write_dataset(table, f"{case.bucket}/data", filesystem=s3, format="parquet", partitioning=["part"], partitioning_flavor="hive")
    back = ds.dataset(f"{case.bucket}/data", filesystem=s3, format="parquet", partitioning="hive")
    assert back.count_rows() == 50_000 and len(back.files) == 5
    some = back.to_table(filter=(ds.field("part") == 3) & (ds.field("value") < 1_000))
    assert sorted(some["value"].to_pylist()) == [index for index in range(1_000) if index % 5 == 3]
    assert pc.sum(back.to_table()["value"]).as_py() == sum(range(50_000))
    s3.delete_dir_contents(f"{case.bucket}/data")
    s3.delete_dir(f"{case.bucket}/dir")
    assert [info.path for info in s3.get_file_info(fs.FileSelector(case.bucket, recursive=True)) if info.is_file] == []
    s3.delete_dir(case.bucket)


@client(full=True)
def polars(case):
    import polars as pl
    case.make_bucket()
    own = {"aws_endpoint_url": case.endpoint, "aws_access_key_id": case.key, "aws_secret_access_key": case.secret, "aws_region": "us-east-1"}
    frame = pl.DataFrame({"id": range(300_000), "text": [f"value {index * 7919 % 300_000}" for index in range(300_000)]})
    for part in range(3):
        frame.slice(part * 100_000, 100_000).write_parquet(f"s3://{case.bucket}/d/part-{part}.parquet", storage_options=own)
    scan = pl.scan_parquet(f"s3://{case.bucket}/d/*.parquet", storage_options=own)
    assert scan.collect().sort("id").equals(frame)
    assert scan.filter(pl.col("id") % 1_000 == 1).select(pl.len()).collect().item() == 300
    scan.filter(pl.col("id") < 10).sink_parquet(f"s3://{case.bucket}/sunk.parquet", storage_options=own)
    assert pl.read_parquet(f"s3://{case.bucket}/sunk.parquet", storage_options=own).sort("id").equals(frame.head(10))
    frame.head(5_000).write_csv(f"s3://{case.bucket}/a b.csv", storage_options=own)
    assert pl.read_csv(f"s3://{case.bucket}/a b.csv", storage_options=own).equals(frame.head(5_000))


@client(full=True)
def duckdb(case):
    """Path style because the endpoint is an address: this client puts buckets before any host."""
    import pathlib
    import duckdb as sdk
    import duckdb_extension_httpfs
    case.make_bucket()
    db = sdk.connect()
    extension, = pathlib.Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    db.execute(f"load '{extension}'")
    db.execute(f"create secret (type s3, key_id '{case.key}', secret '{case.secret}', endpoint '{case.endpoint.removeprefix('http://')}', "
               "region 'us-east-1', use_ssl false, url_style 'path')")
    db.execute("create table t as select range as id, range % 5 as part, md5(range::text) as text from range(400000)")
    where = f"s3://{case.bucket}"
    db.execute(f"copy t to '{where}/one file+.parquet' (format parquet)")
    db.execute(f"copy t to '{where}/parts' (format parquet, partition_by (part))")
    db.execute(f"copy (select * from t limit 1000) to '{where}/rows.csv' (header)")
    expected = db.sql("select count(*), sum(id), bit_xor(hash(text)) from t").fetchone()
    for source in (f"'{where}/one file+.parquet'", f"'{where}/parts/*/*.parquet'"):
        assert db.sql(f"select count(*), sum(id), bit_xor(hash(text)) from read_parquet({source})").fetchone() == expected, source
    assert db.sql(f"select count(*), min(id) from read_parquet('{where}/parts/*/*.parquet', hive_partitioning=true) where part = 3").fetchone() == (80_000, 3)
    assert db.sql(f"select count(*), sum(id) from read_csv('{where}/rows.csv')").fetchone() == (1_000, sum(range(1_000)))
    assert db.sql(f"select text from read_parquet('{where}/one file+.parquet') where id = 7").fetchone() == ("8f14e45fceea167a5a36dedd4bea2543",)
    assert db.sql(f"select count(*) from glob('{where}/parts/**')").fetchone() == (5,)
