//! `raincell archive` against an S3.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

use raincell_tests::binary;
use raincell_tests::cloud::Cloud;

#[tokio::test(flavor = "multi_thread")]
async fn files_are_put_under_their_names_and_one_that_is_missing_does_not_hold_up_the_rest() {
    let Some(cloud) = Cloud::named("archive").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("1.jsonl.gz"), folder.path().join("2.jsonl.gz"));
    // More than a body that is sent in one piece.
    let long: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    std::fs::write(&one, &long).unwrap();
    std::fs::write(&two, "short").unwrap();
    let archive = |to: String, files: Vec<&std::path::Path>| {
        let output = Command::new(binary("raincell").unwrap())
            .args(["archive", "--endpoint", &cloud.endpoint, "--to", &to])
            .args(files)
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let missing = folder.path().join("3.jsonl.gz");
    let (code, errors) = archive(format!("s3://{}/logs/hills", cloud.name), vec![&one, &missing, &two]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("3.jsonl.gz: ") && errors.lines().count() == 1, "{errors}");
    assert!(cloud.object("logs/hills/1.jsonl.gz").await.unwrap() == long);
    assert_eq!(cloud.object("logs/hills/2.jsonl.gz").await.unwrap(), b"short");
    let (code, errors) = archive("s3://no-such-bucket".into(), vec![&two]);
    assert!(code == 1 && errors.contains("NoSuchBucket"), "{errors}");
    assert_eq!(archive("/var/logs".into(), vec![&two]).0, 2);
}
