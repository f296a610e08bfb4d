/** Users and groups of this machine, from /etc/passwd and /etc/group. */
import { readFileSync } from "node:fs";
import type { UserConfig } from "../../protocol/config.ts";

export interface UserDatabase {
  /** Text of /etc/passwd. */
  readonly passwd: string;
  /** Text of /etc/group. */
  readonly group: string;
}

export type UserResult =
  | { readonly ok: true; readonly user: UserConfig }
  | { readonly ok: false; readonly reason: string; readonly candidates: readonly string[] };

const maxId = 0xffff_fffe;

/** The machine's own files; one that is missing counts as empty. */
export function readUserDatabase(): UserDatabase {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return ""; // A minimal image without the file knows no users, which the lookup then says.
    }
  };
  return { passwd: read("/etc/passwd"), group: read("/etc/group") };
}

function records(text: string, fields: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((record) => record.length >= fields && record[0] !== "");
}

function parseId(text: string): number | null {
  if (!/^\d{1,10}$/.test(text)) return null;
  const id = Number(text);
  return id <= maxId ? id : null;
}

/** Looks up `name`, `uid`, `name:group`, `uid:gid`. A bare uid without an entry is refused: its group is not known. */
export function findUser(text: string, database: UserDatabase): UserResult {
  const [userText = "", groupText, ...more] = text.split(":");
  const users = records(database.passwd, 4);
  const groups = records(database.group, 3);
  const refuse = (reason: string, candidates: readonly string[] = []): UserResult => ({
    ok: false,
    reason,
    candidates,
  });
  if (userText === "" || groupText === "" || more.length > 0)
    return refuse("is not of the form name, uid or name:group");

  const uidText = parseId(userText);
  const entry =
    users.find((user) => user[0] === userText) ??
    users.find((user) => uidText !== null && user[2] === userText);
  const uid = entry === undefined ? uidText : parseId(entry[2] ?? "");
  if (uid === null)
    return refuse(
      `names no user of this machine`,
      users.map((user) => user[0] ?? ""),
    );

  let gid = entry === undefined ? null : parseId(entry[3] ?? "");
  if (groupText !== undefined) {
    const group = groups.find((candidate) => candidate[0] === groupText);
    gid = group === undefined ? parseId(groupText) : parseId(group[2] ?? "");
    if (gid === null)
      return refuse(
        `names no group "${groupText}" of this machine`,
        groups.map((group) => group[0] ?? ""),
      );
  }
  if (gid === null)
    return refuse(`has no entry in /etc/passwd, so its group is not known; write ${userText}:GROUP`);

  const name = entry?.[0] ?? userText;
  const extra = groups
    .filter((group) => (group[3] ?? "").split(",").includes(name))
    .map((group) => parseId(group[2] ?? ""))
    .filter((id): id is number => id !== null && id !== gid);
  return { ok: true, user: { name, uid, gid, groups: [...new Set([gid, ...extra])] } };
}
