//! From the text of a template to its nodes.

use super::{Expression, Key, Node};

/// Reads a whole template.
pub(super) fn nodes(text: &str) -> Result<Vec<Node>, String> {
    let pieces = pieces(text)?;
    let mut cursor = pieces.into_iter();
    let (nodes, ended) = block(&mut cursor)?;
    match ended {
        Ended::Text => Ok(nodes),
        Ended::End => Err("template: {{end}} without {{range}} or {{if}}".to_owned()),
        Ended::Else => Err("template: {{else}} without {{range}} or {{if}}".to_owned()),
    }
}

enum Piece {
    Text(String),
    Action(String),
}

/// Splits at `{{` and `}}`, honouring `{{-` and `-}}`, which trim the white space beside them.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim_start = false;
    while !rest.is_empty() {
        let (before, after) = match rest.split_once("{{") {
            Some((before, after)) => (before, Some(after)),
            None => (rest, None),
        };
        let mut plain = if trim_start {
            before.trim_start()
        } else {
            before
        };
        if after.is_some_and(|after| after.starts_with("- ")) {
            plain = plain.trim_end();
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(unescape(plain)));
        }
        let Some(after) = after else { break };
        let Some((action, remainder)) = after.split_once("}}") else {
            return Err(format!(
                "template: no }}}} closes {:?}",
                format!("{{{{{after}")
            ));
        };
        trim_start = action.ends_with(" -");
        let action = action.strip_prefix("- ").unwrap_or(action);
        let action = action.strip_suffix(" -").unwrap_or(action);
        pieces.push(Piece::Action(action.trim().to_owned()));
        rest = remainder;
    }
    Ok(pieces)
}

/// `\t` and `\n` as they come from a shell's quotes.
fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

enum Ended {
    Text,
    End,
    Else,
}

fn block(cursor: &mut std::vec::IntoIter<Piece>) -> Result<(Vec<Node>, Ended), String> {
    let mut nodes = Vec::new();
    while let Some(piece) = cursor.next() {
        let action = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(action) => action,
        };
        if action.starts_with("/*") && action.ends_with("*/") {
            continue;
        }
        let tokens = tokens(&action)?;
        match tokens.first() {
            None => return Err("template: empty action {{}}".to_owned()),
            Some(Token::Word(word)) if word == "end" => return Ok((nodes, Ended::End)),
            Some(Token::Word(word)) if word == "else" && tokens.len() == 1 => {
                return Ok((nodes, Ended::Else));
            }
            Some(Token::Word(word)) if word == "range" || word == "if" => {
                nodes.push(compound(word, &tokens[1..], &action, cursor)?);
            }
            Some(_) => nodes.push(Node::Show(whole(&tokens, &action)?)),
        }
    }
    Ok((nodes, Ended::Text))
}

fn compound(
    word: &str,
    condition: &[Token],
    action: &str,
    cursor: &mut std::vec::IntoIter<Piece>,
) -> Result<Node, String> {
    let expression = whole(condition, action)?;
    let unclosed = || format!("template: {{{{{action}}}}} has no {{{{end}}}}");
    let (body, ended) = block(cursor)?;
    let otherwise = match ended {
        Ended::End => Vec::new(),
        Ended::Text => return Err(unclosed()),
        Ended::Else => match block(cursor)? {
            (otherwise, Ended::End) => otherwise,
            _ => return Err(unclosed()),
        },
    };
    Ok(match word {
        "range" => Node::Range {
            over: expression,
            body,
            otherwise,
        },
        _ => Node::If {
            condition: expression,
            body,
            otherwise,
        },
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Path(String),
    Text(String),
    Open,
    Close,
}

fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = action;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\n' => 1,
            '(' => {
                tokens.push(Token::Open);
                1
            }
            ')' => {
                tokens.push(Token::Close);
                1
            }
            '"' | '`' => {
                let end = rest[1..]
                    .find(first)
                    .ok_or_else(|| unsupported(action, "an open quote"))?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            _ => {
                let end = rest
                    .find([' ', '\t', '\n', '(', ')', '"', '`'])
                    .unwrap_or(rest.len());
                let word = &rest[..end];
                let path = word.starts_with('.') || word == "$" || word.starts_with("$.");
                tokens.push(if path {
                    Token::Path(word.to_owned())
                } else {
                    Token::Word(word.to_owned())
                });
                end
            }
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// All of `tokens` as one expression.
fn whole(tokens: &[Token], action: &str) -> Result<Expression, String> {
    let (expression, used) = expression(tokens, action)?;
    match tokens.get(used) {
        None => Ok(expression),
        Some(Token::Word(word) | Token::Path(word) | Token::Text(word)) => {
            Err(unsupported(action, word))
        }
        Some(Token::Open | Token::Close) => Err(unsupported(action, "these parentheses")),
    }
}

fn expression(tokens: &[Token], action: &str) -> Result<(Expression, usize), String> {
    let Some(Token::Word(word)) = tokens.first() else {
        return operand(tokens, action);
    };
    match word.as_str() {
        "json" => operand(&tokens[1..], action)
            .map(|(inner, used)| (Expression::Json(Box::new(inner)), used + 1)),
        "len" => operand(&tokens[1..], action)
            .map(|(inner, used)| (Expression::Len(Box::new(inner)), used + 1)),
        "index" => {
            let (inner, used) = operand(&tokens[1..], action)?;
            let keys: Vec<Key> = tokens[1 + used..].iter().map_while(key).collect();
            let used = 1 + used + keys.len();
            Ok((Expression::Index(Box::new(inner), keys), used))
        }
        other => Err(unsupported(action, other)),
    }
}

fn key(token: &Token) -> Option<Key> {
    match token {
        Token::Text(name) => Some(Key::Name(name.clone())),
        Token::Word(word) => word.parse().ok().map(Key::Position),
        _ => None,
    }
}

/// A path, or an expression in parentheses with a path after it.
fn operand(tokens: &[Token], action: &str) -> Result<(Expression, usize), String> {
    match tokens.first() {
        Some(Token::Path(path)) => Ok((field(path, action)?, 1)),
        Some(Token::Open) => {
            let (inner, used) = expression(&tokens[1..], action)?;
            if tokens.get(1 + used) != Some(&Token::Close) {
                return Err(unsupported(action, "an open parenthesis"));
            }
            match tokens.get(2 + used) {
                Some(Token::Path(path)) if path.starts_with('.') => {
                    let keys = names(path, action)?.into_iter().map(Key::Name).collect();
                    Ok((Expression::Index(Box::new(inner), keys), used + 3))
                }
                _ => Ok((inner, used + 2)),
            }
        }
        Some(Token::Word(word) | Token::Text(word)) => Err(unsupported(action, word)),
        Some(Token::Close) => Err(unsupported(action, "these parentheses")),
        None => Err(format!(
            "template: {{{{{action}}}}} needs a field, such as .Name"
        )),
    }
}

fn field(path: &str, action: &str) -> Result<Expression, String> {
    let from_root = path.starts_with('$');
    Ok(Expression::Field {
        from_root,
        names: names(path.trim_start_matches('$'), action)?,
    })
}

fn names(path: &str, action: &str) -> Result<Vec<String>, String> {
    if path.is_empty() || path == "." {
        return Ok(Vec::new());
    }
    let names: Vec<String> = path[1..].split('.').map(str::to_owned).collect();
    let plain = |name: &String| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    if names.iter().all(plain) {
        Ok(names)
    } else {
        Err(unsupported(action, path))
    }
}

fn unsupported(action: &str, what: &str) -> String {
    format!(
        "template: {{{{{action}}}}}: {what} is not supported; there are {{{{.Field}}}}, {{{{json .}}}}, index, len, range and if"
    )
}
