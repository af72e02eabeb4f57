"""Checksums through boto3: every algorithm, of single objects, of parts and of whole uploads, against our own arithmetic."""

import hashlib

from digests import DIGESTS, our_own_arithmetic_is_right, text
from each.boto3 import connect, refused
from kit import client


@client
def boto3_checksums(case):
    our_own_arithmetic_is_right()
    # This SDK sends what was refused as BadDigest four times more, seconds apart.
    once = connect(case, retries={"max_attempts": 0})
    s3, bucket, body = connect(case), case.bucket, b"checked on the way\n" * 5_000
    s3.create_bucket(Bucket=bucket)
    for algorithm in DIGESTS:
        field, right, at = f"Checksum{algorithm}", text(algorithm, body), {"Bucket": bucket, "Key": algorithm}
        assert s3.put_object(**at, Body=body, **{field: right})[field] == right
        got = s3.get_object(**at, ChecksumMode="ENABLED")
        assert got["Body"].read() == body and got[field] == right and got["ChecksumType"] == "FULL_OBJECT", got
        refused("BadDigest", once.put_object, **at, Body=body, **{field: text(algorithm, b"others")})
        copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=at)["CopyObjectResult"]
        assert copied[field] == right, copied
        told = s3.get_object_attributes(**at, ObjectAttributes=["Checksum", "ObjectSize"])
        assert told["Checksum"][field] == right and told["ObjectSize"] == len(body), told
    # In a trailer, as this SDK sends a stream; it lacks the two that need its native library.
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        put = s3.put_object(Bucket=bucket, Key="k", Body=case.big.open("rb"), ChecksumAlgorithm=algorithm)
        assert put[f"Checksum{algorithm}"] == text(algorithm, case.big.read_bytes())


@client
def boto3_multipart(case):
    s3, once, bucket = connect(case), connect(case, retries={"max_attempts": 0}), case.bucket
    s3.create_bucket(Bucket=bucket)
    content = case.big.read_bytes()[: 12 << 20]
    pieces = [content[: 5 << 20], content[5 << 20 : 10 << 20], content[10 << 20 :]]
    for algorithm, kind in [("SHA256", "COMPOSITE"), ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT")]:
        field, at = f"Checksum{algorithm}", {"Bucket": bucket, "Key": f"{algorithm} {kind}"}
        upload = at | {"UploadId": s3.create_multipart_upload(**at, ChecksumAlgorithm=algorithm, ChecksumType=kind)["UploadId"]}
        parts = []
        for number, piece in enumerate(pieces, 1):
            refused("BadDigest", once.upload_part, **upload, PartNumber=number, Body=piece, **{field: text(algorithm, b"")})
            made = s3.upload_part(**upload, PartNumber=number, Body=piece, ChecksumAlgorithm=algorithm)
            assert made[field] == text(algorithm, piece)
            parts.append({"PartNumber": number, "ETag": made["ETag"], field: made[field]})
        assert [part[field] for part in s3.list_parts(**upload)["Parts"]] == [part[field] for part in parts]
        wrong = [*parts[:2], parts[2] | {field: parts[0][field]}]
        refused("InvalidPart", s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": wrong})
        if kind == "FULL_OBJECT":
            expected = text(algorithm, content)
            refused("BadDigest", once.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}, ChecksumType=kind, **{field: text(algorithm, b"")})
        else:
            expected = f"{text(algorithm, b''.join(DIGESTS[algorithm](piece) for piece in pieces))}-3"
        done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType=kind)
        assert done[field] == expected and done["ChecksumType"] == kind, done
        head = s3.head_object(**at, ChecksumMode="ENABLED")
        assert head[field] == expected and head["ChecksumType"] == kind, head
        told = s3.get_object_attributes(**at, ObjectAttributes=["Checksum", "ObjectParts", "ObjectSize", "ETag"])
        assert told["Checksum"][field] == expected and told["ObjectSize"] == len(content) and told["ObjectParts"]["TotalPartsCount"] == 3, told
        assert [part[field] for part in told["ObjectParts"]["Parts"]] == [part[field] for part in parts], told
        whole = hashlib.md5(b"".join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest()
        assert done["ETag"] == f'"{whole}-3"' and told["ETag"] == f"{whole}-3"
        assert s3.get_object(**at)["Body"].read() == content
        assert s3.get_object(**at, PartNumber=2)["Body"].read() == pieces[1]
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
