//! kcat (librdkafka) against the broker: producing, consuming, listing and asking for offsets by time.
//! How: kcat runs as a process; its output is compared line by line.
use crate::scene::Scene;
use anyhow::{Context, Result};

#[test]
fn records_come_back_with_keys_headers_and_nulls() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("records", 1)?;
    scene.kcat(&["-P", "-t", "records", "-K:", "-H", "a=1", "-H", "b=2"], "k1:v1\nk2:v2\n")?;
    scene.kcat(&["-P", "-t", "records", "-K:", "-Z"], "k3:\n")?;
    let format = "%p %o [%k] [%s] value=%S headers=%h\n";
    let read = scene.kcat(&["-C", "-t", "records", "-o", "beginning", "-e", "-q", "-f", format], "")?;
    assert_eq!(
        read.lines(),
        [
            "0 0 [k1] [v1] value=2 headers=a=1,b=2",
            "0 1 [k2] [v2] value=2 headers=a=1,b=2",
            "0 2 [k3] [] value=-1 headers="
        ]
    );
    Ok(())
}

#[test]
fn consuming_starts_where_it_is_told_to() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("places", 1)?;
    scene.kcat(&["-P", "-t", "places"], "a\nb\nc\nd\n")?;
    for (from, expected) in [("beginning", "abcd"), ("2", "cd"), ("-1", "d"), ("-3", "bcd")] {
        let read = scene.kcat(&["-C", "-t", "places", "-p", "0", "-o", from, "-e", "-q", "-f", "%s"], "")?;
        assert_eq!(read.stdout, expected, "from {from}");
    }
    Ok(())
}

#[test]
fn a_missing_topic_is_made_by_producing_to_it() -> Result<()> {
    let scene = Scene::with(&[("num.partitions", "2")])?;
    scene.kcat(&["-P", "-t", "made", "-p", "1"], "one\n")?;
    assert_eq!(scene.read_all("made")?, ["1 0  one"]);
    Ok(())
}

#[test]
fn the_cluster_is_listed_as_json() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("listed", 2)?;
    let listed: serde_json::Value = serde_json::from_str(&scene.kcat(&["-L", "-J"], "")?.stdout)?;
    let name = scene.address();
    assert_eq!(listed["controllerid"], 1);
    assert_eq!(listed["brokers"], serde_json::json!([{"id": 1, "name": name}]));
    let partition = |number| serde_json::json!({"partition": number, "leader": 1, "replicas": [{"id": 1}], "isrs": [{"id": 1}]});
    let topic = serde_json::json!({"topic": "listed", "partitions": [partition(0), partition(1)]});
    assert_eq!(listed["topics"], serde_json::json!([topic]));
    Ok(())
}

#[test]
fn offsets_are_found_by_time() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("times", 1)?;
    // Each kcat is a process of its own, so the records are milliseconds apart.
    for value in ["a\n", "b\n", "c\n"] {
        scene.kcat(&["-P", "-t", "times"], value)?;
    }
    let read = scene.kcat(&["-C", "-t", "times", "-o", "beginning", "-e", "-q", "-f", "%T\n"], "")?;
    let times: Vec<i64> = read.lines().into_iter().map(str::parse).collect::<Result<_, _>>()?;
    let offset_at = |time: i64| -> Result<i64> {
        let answer = scene.kcat(&["-Q", "-t", &format!("times:0:{time}")], "")?;
        let (_, offset) = answer.stdout.trim().rsplit_once(' ').context("no offset")?;
        Ok(offset.parse()?)
    };
    for (offset, time) in times.iter().enumerate() {
        assert_eq!(offset_at(*time)?, i64::try_from(offset)?, "at {time} of {times:?}");
    }
    assert_eq!(offset_at(times[0] - 60_000)?, 0);
    assert_eq!(offset_at(times[1] - 1)?, 1);
    // There is nothing after the last record: librdkafka shows the end as -1.
    assert_eq!(offset_at(times[2] + 60_000)?, -1);
    Ok(())
}

#[test]
fn every_codec_of_librdkafka_is_kept_and_served() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("codecs", 1)?;
    // kcat of Debian comes without zstd at times; the Java producer covers it.
    let codecs = ["none", "gzip", "snappy", "lz4"];
    for codec in codecs {
        scene.kcat(&["-P", "-t", "codecs", "-z", codec], &format!("{codec}\n").repeat(10))?;
    }
    let expected = codecs.iter().flat_map(|codec| vec![*codec; 10]).enumerate();
    let expected: Vec<String> = expected.map(|(offset, codec)| format!("0 {offset}  {codec}")).collect();
    assert_eq!(scene.read_all("codecs")?, expected);
    Ok(())
}

/// librdkafka that takes the broker for one of 0.9 reads format 0, which has neither headers nor times.
#[test]
fn an_old_client_reads_what_new_ones_wrote() -> Result<()> {
    let scene = Scene::new()?;
    scene.create_topic("converted", 1)?;
    let mut expected = Vec::new();
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let input: String = (0..200).map(|at| format!("k{at}:{codec} {at}\n")).collect();
        scene.kcat(&["-P", "-t", "converted", "-K:", "-H", "a=1", "-z", codec], &input)?;
        expected.extend((0..200).map(|at| format!("k{at} {codec} {at} [] 0")));
    }
    let expected: Vec<_> = expected.iter().enumerate().map(|(at, line)| format!("{at} {line}")).collect();
    let old = ["-X", "api.version.request=false", "-X", "broker.version.fallback=0.9.0"];
    let format = ["-e", "-q", "-f", "%o %k %s [%h] %T\n"];
    // From the middle of a batch, too, compressed or not.
    for (from, first) in [("beginning", 0), ("57", 57), ("257", 257)] {
        let read = scene.kcat(&[&["-C", "-t", "converted", "-o", from], &old[..], &format].concat(), "")?;
        assert_eq!(read.lines(), expected[first..], "from {from}");
    }
    Ok(())
}
