//! `--secret NAME`, `--config source=NAME,target=PATH,mode=0440`.

use model::FileReference;

use super::values::{fields, mode, needed};

/// Reads either spelling; a name alone is the name of the file too.
pub(super) fn file(text: &str) -> Result<FileReference, String> {
    read(text)
        .map_err(|why| format!("{why}; write it like NAME or source=NAME,target=PATH,mode=0440"))
}

fn read(text: &str) -> Result<FileReference, String> {
    let mut file = FileReference::default();
    if !text.contains('=') {
        file.source = needed("the name", Some(text.to_owned()))?;
        file.target = text.to_owned();
        return Ok(file);
    }
    for (key, value) in fields(text)? {
        let value = needed(&key, value)?;
        match key.as_str() {
            "source" | "src" => file.source = value,
            "target" | "destination" | "dst" => file.target = value,
            "uid" => file.uid = value,
            "gid" => file.gid = value,
            "mode" => file.mode = Some(mode(&value)?),
            _ => return Err(format!("the key {key:?} is unknown")),
        }
    }
    if file.source.is_empty() {
        return Err("source= is missing".to_owned());
    }
    if file.target.is_empty() {
        file.target = file.source.clone();
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::file;

    #[test]
    fn files_are_read() {
        fn check(text: &str, expected: Option<&str>) {
            let read = file(text).ok().map(|file| {
                format!(
                    "{} {} {}:{} {:?}",
                    file.source, file.target, file.uid, file.gid, file.mode
                )
            });
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        check("key", Some("key key : None"));
        check("source=key,target=/etc/key", Some("key /etc/key : None"));
        check(
            "src=key,uid=1,gid=web,mode=0400",
            Some("key key 1:web Some(256)"),
        );
        check("", None);
        check("target=/a", None);
        check("source=", None);
        check("source=a,mode=rw", None);
        check("source=a,owner=b", None);
    }
}
