// resolver.lsl: finds the names of your service's pending keys: unknown keys that it was asked for.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// It gets such keys from the service, asks the grid for their names (llRequestAgentData works for avatars that are offline, and
// keeps capitals, unlike llRequestUsername), and registers them. Do not deed it to a group. Errors go to the owner.

// "n2k lsl resolver" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// TOKEN: one that may register.
// SPARE, SPARE_TOKEN: the same of a second one, which is asked while the first one does not answer; "": there is none.
// GRID: the grid of these avatars, such as "Production"; "": the shard that the simulator sends.
string URL = "https://example.com/n2k/";
string TOKEN = "";
string SPARE = "";
string SPARE_TOKEN = "";
string GRID = "";

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "resolver";
list CARD_NAMES = ["GRID"];  // what the notecard may set
integer MOST_CARD = 100;       // letters of all that it sets
integer REMEMBERED = 50;       // keys that were sent, some 5 KB: if the service asks again, it cannot use the answer
string REGISTERED = "";        // avatars get no messages
string REFUSED = "";
string TOO_MANY = "";
integer LIMIT = 20;            // keys at a time; all lists here are shorter than twice this
float ASK_PACE = 1.0;          // seconds between queries; Second Life answers 1.9 per second for all scripts of an owner
integer PATIENCE = 60;         // seconds after the last query; a key without a name by then is unknown to this grid
float GLANCE = 5.0;            // seconds between checks whether all answers have arrived
float IDLE = 300.0;            // seconds between requests to the service when there are no keys

string PENDING = "/api/v1/pending";
string UNKNOWN = "/api/v1/pending/unknown";

list keys = [];                // keys to ask for
list awaited = [];             // query, key, query, key ...: no answer yet
list unknown = [];             // keys that are unknown to this grid
key probe = NULL_KEY;          // the query for the owner's own name: without its answer, silence about other keys means nothing
integer believed = FALSE;      // that query was answered
integer deadline = 0;          // Unix time from which on no answer means unknown

// >>> common: the same text in every script that asks the service.
integer SILENCES = 3;          // requests in a row without an answer: then the names of object, owner and region are suspected
integer WHILE = 600;           // seconds after which URL is asked again
integer ERRORS = 2;            // errors of the server in a row (500 and above), after which the other address is asked
integer MOST_ERRORS = 4;       // the same within a minute: the fifth makes Second Life refuse all requests of the script
integer MINUTE = 61;           // seconds: one more than a minute, since times are cut to whole seconds

integer silences = 0;          // how many there were
integer elsewhere = FALSE;     // SPARE is asked instead of URL
integer until = 0;             // Unix time from which on URL is asked again
integer in_a_row = 0;          // errors in a row
list errors = [];              // Unix times of the last errors, of both addresses
integer troubled = 0;          // addresses whose trouble the owner was told: bits 1 and 2, see here()

// A comparison of the line itself would always be true, or always false, and compilers warn about that.
integer is_filled_in(string setting)
{
    return setting != "";
}

string replaced(string text, string what, string by)
{
    return llDumpList2String(llParseStringKeepNulls(text, [what], []), by);
}

// The address that is asked, with a path, which begins with a slash.
string address(string path)
{
    if (llGetSubString(url(), -1, -1) == "/") return llDeleteSubString(url(), -1, -1) + path;
    return url() + path;
}

tell_owner(string text)
{
    llOwnerSay("n2k " + ME + ": " + text);
}

// For problems that only the owner can fix: an instant message if the owner is not in the region.
tell_owner_anywhere(string text)
{
    if (llGetAgentSize(llGetOwner()) != ZERO_VECTOR) tell_owner(text);
    else llInstantMessage(llGetOwner(), "n2k " + ME + " in " + llGetRegionName() + ": " + text);
}

// The bit of the address that is asked: 1 is URL, 2 is SPARE.
integer here()
{
    return 1 + elsewhere;
}

// The other address is the next one. From SPARE the script comes back after a while.
cross()
{
    elsewhere = !elsewhere;
    in_a_row = 0;
    until = llGetUnixTime() + WHILE;
}

// Counts a failure: an error of the server, or (0, 408, 499) no answer. Whether it is time to ask the other address.
integer is_lost(integer status)
{
    if (status < 500) return TRUE;
    if (llGetListLength(errors) >= MOST_ERRORS) errors = llDeleteSubList(errors, 0, 0);
    errors += [llGetUnixTime()];
    in_a_row = in_a_row + 1;
    return in_a_row >= ERRORS;
}

// Seconds until one more error would not be the fifth within a minute; 0 or less: now.
integer caution()
{
    if (llGetListLength(errors) < MOST_ERRORS) return 0;
    return llList2Integer(errors, 0) + MINUTE - llGetUnixTime();
}

// Tells of an address that fails once, until it answers again.
report(string text)
{
    if (!(troubled & here())) tell_owner(text);
    troubled = troubled | here();
}

// The address that was asked has answered.
answered()
{
    silences = 0;
    in_a_row = 0;
    if (!elsewhere && (troubled & 1) && is_filled_in(spare())) tell_owner(url() + " answers again.");
    troubled = troubled & ~here();
}

// OpenSimulator gives no key at all for an address that its filter refuses, and the null key when there are too many requests.
integer is_blocked(key request_id)
{
    return (string)request_id == "";
}

string blocked()
{
    return "this grid lets no script ask " + url() + ". Its operator can allow it: OpenSim.ini, section [Network], setting"
        + " OutboundDisallowForUserScriptsExcept";
}

// OpenSimulator sends these names with every request. With some letters the request fails: the status is 0, in newer versions
// 499. Every non-ASCII letter is suspected; escaped, it begins with C, D, E or F.
integer is_unsendable(integer status)
{
    string names = llGetObjectName() + llGetRegionName() + llKey2Name(llGetOwner());
    integer parts = llGetListLength(llParseStringKeepNulls(llEscapeURL(names), ["%C", "%D", "%E", "%F"], []));
    return status == 0 || (status == 499 && parts > 1);
}

suspect_names()
{
    silences = silences + 1;
    if (silences == SILENCES) tell_owner_anywhere("does the name of this object, its owner or the region have unusual letters?"
        + " Rename the object. Requests fail until then; the script keeps trying.");
}
// <<< common

// >>> card: the same text in every script that reads the notecard.
string CARD = "n2k";           // its name
integer MOST_LINE = 332;       // letters of a line in base64, 249 bytes in UTF-8: OpenSimulator cuts lines at 255
float LINE_SECONDS = 30.0;     // until a line that did not come is asked for again

integer reading = FALSE;       // its lines are still coming
integer line_at = 0;           // the one that is asked for; the first is 0
key line_query = NULL_KEY;
integer line_time = 0;         // Unix time when it was asked for
integer is_silent = FALSE;     // the owner was told that it does not come
integer faults = 0;            // lines that were not understood
list card_names = [];          // what the card sets
list card_texts = [];

// What the card says, or else the script's own text.
string chosen(string name, string text)
{
    integer at = llListFindList(card_names, [name]);
    if (at == -1 || reading) return text;
    return llList2String(card_texts, at);
}

forget_card()
{
    card_names = [];
    card_texts = [];
    reading = FALSE;
}

read_card()
{
    forget_card();
    faults = 0;
    line_at = 0;
    is_silent = FALSE;
    reading = llGetInventoryType(CARD) == INVENTORY_NOTECARD;
    if (reading) read_line();
}

read_line()
{
    line_time = llGetUnixTime();
    line_query = llGetNotecardLine(CARD, line_at);
}

// A line that did not come is asked for again: the grid loses some, and does not send a card that was never saved.
insist()
{
    if (llGetUnixTime() - line_time < (integer)LINE_SECONDS) return;
    if (!is_silent) tell_owner("the grid does not send the notecard " + CARD + ": was it ever saved? Nothing is done before.");
    is_silent = TRUE;
    read_line();
}

// A line has come. At the end of the card, or when it is refused, card_is_read() goes on, which every script has.
heard_line(key query, string text)
{
    if (!reading || query != line_query) return;
    if (text == EOF)
    {
        if (line_at == 0) tell_owner("the notecard " + CARD + " is empty, or something is embedded in it.");
        if (faults > 3) tell_owner("the notecard " + CARD + " has " + (string)(faults - 3) + " more faults.");
        reading = FALSE;
        card_is_read();
        return;
    }
    line_at = line_at + 1;
    string fault = fault_of(llStringTrim(text, STRING_TRIM));
    if (fault != "")
    {
        faults = faults + 1;
        if (faults <= 3 || !reading) tell_owner("line " + (string)line_at + " of the notecard " + CARD + ": " + fault);
    }
    if (reading) read_line();
    else card_is_read();
}

// Takes a line, NAME = value, or touch.NAME = value for one script. Returns what is wrong with it, or "".
string fault_of(string line)
{
    if (line == "" || llGetSubString(line, 0, 0) == "#") return "";
    integer sign = llSubStringIndex(line, "=");
    if (sign < 1) return "it is not NAME = value.";
    if (llStringLength(llStringToBase64(line)) > MOST_LINE) return "it is longer than 249 bytes. Split it: use its name twice.";
    string name = llToUpper(llStringTrim(llGetSubString(line, 0, sign - 1), STRING_TRIM));
    string value = llStringTrim(llDeleteSubString(line, 0, sign), STRING_TRIM);
    integer dot = llSubStringIndex(name, ".");
    if (dot > 0)
    {
        string whose = llToLower(llGetSubString(name, 0, dot - 1));
        name = llDeleteSubString(name, 0, dot);
        if (llListFindList(["query", "touch", "gate", "sensor", "seat", "greeter", "resolver", "forget", "visitors"],
            [whose]) == -1) return "no script that reads this card is called " + whose + ".";
        if (whose != ME) return "";
    }
    if (llListFindList(CARD_NAMES, [name]) != -1) return put(name, value);
    if (llListFindList(["URL", "SPARE", "TOKEN", "SPARE_TOKEN"], [name]) != -1)
    {
        forget_card();
        return name + ": the whole card is refused. Addresses and tokens are taken from the script only, because a card with"
            + " another address would be sent the token.";
    }
    if (dot == -1 && llListFindList(["GRID", "CHANNEL", "REGISTERED", "REFUSED", "TOO_MANY", "OUT_OF_ORDER", "EXPLANATION",
        "STILL_LOOKING", "BUSY", "TOO_LATE", "NO_SUCH_NAME", "NO_SUCH_KEY", "NO_ANSWER", "QUESTION", "SECOND_QUESTION", "NOTED",
        "ON_ITS_WAY", "DONE", "NOT_DONE"], [name]) != -1) return "";
    return "this script has no " + name + ".";
}

// Keeps what a line sets. A text that needs several lines has its name in each.
string put(string name, string value)
{
    integer at = llListFindList(card_names, [name]);
    integer is_text = llListFindList(["URL", "SPARE", "GRID", "CHANNEL"], [name]) == -1;
    if (at != -1 && !is_text) return name + " is set twice.";
    if (name == "CHANNEL" && (string)((integer)value) != value) return "CHANNEL must be a number.";
    if ((name == "URL" || name == "SPARE") && llSubStringIndex(value, "http") != 0) return name + " must be an address.";
    if (llStringLength(value + (string)card_texts) > MOST_CARD)
        return "the card is too long: it may set " + (string)MOST_CARD + " letters.";
    if (at != -1) card_texts = llListReplaceList(card_texts, [llList2String(card_texts, at) + " " + value], at, at);
    else
    {
        card_names += [name];
        card_texts += [value];
    }
    return "";
}
// <<< card

// >>> limits: the same text in every script whose requests are about avatars.
float PACE = 2.0;              // seconds between requests; grids permit 25 in 20 s, or one per second
float LONGEST_PAUSE = 300.0;   // the longest pause: it doubles while the service or the grid refuses
integer MOST_TRIES = 10;       // failures in a row, about 20 minutes, after which a request is dropped
integer MOST_ANSWER = 2048;    // bytes that are kept of an answer: what grids keep by default
integer MOST_WAITING = 50;     // avatars in the queue, at most some 15 KB of a script's 64

list queue = [];               // key, name, key, name ... of waiting avatars, oldest first

integer waiting()
{
    return llGetListLength(queue) / 2;
}
// <<< limits

// >>> asking: the same text in every script that holds a token.
// One request at a time; its answer, or its timeout, decides when the next one is sent. The request is made by
// next(), its answer is handled by took(), turned_down() and give_up(); every script has its own, and says with is_refusal()
// what is turned down.
float ANSWER_SECONDS = 90.0;   // grids report a timeout after 60 s at most; the report itself may be lost

integer wrong = 0;             // addresses that only the owner can mend: bits as in here()
integer crossings = 0;         // how often the other address was the next one since a service decided
string asked = "";             // the path of the last request
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer armed = FALSE;         // the timer runs: a timeout, or the pause before the next request
integer stopped = FALSE;       // something must be fixed before another request makes sense
integer tries = 0;             // failures in a row
float pause = 0.0;             // seconds, doubled by every failure; 0: the last request did not fail

string url()
{
    if (elsewhere) return SPARE;
    return URL;
}

string spare()
{
    return SPARE;
}

string token()
{
    if (elsewhere) return SPARE_TOKEN;
    return TOKEN;
}

integer has_other()
{
    return is_filled_in(SPARE) && !(wrong & (3 - here()));
}

// The next request; to URL again when it is time.
proceed()
{
    if (elsewhere && has_other() && llGetUnixTime() >= until) cross();
    next();
}

arm(float seconds)
{
    armed = (seconds > 0.0);
    llSetTimerEvent(seconds);
}

go()
{
    if (!armed && !stopped) proceed();
}

// A complete JSON object. A truncated one has lost its last brace, and grids parse it differently.
integer is_object(string text)
{
    return llGetSubString(text, 0, 0) == "{" && llGetSubString(text, -1, -1) == "}";
}

// The message of a server, short enough for chat: the service's error, or the first line of another server's page.
string said(string body)
{
    string word = JSON_INVALID;
    if (is_object(body)) word = llJsonGetValue(body, ["error"]);
    if (word == JSON_INVALID) word = llList2String(llParseString2List(body, ["\n"], []), 0);
    return llGetSubString(word, 0, 199);
}

ask(string method, string path, string body)
{
    request = NULL_KEY;
    integer wait = caution();
    if (wait > 0)
    {
        arm((float)wait);
        return;
    }
    list options = [HTTP_METHOD, method, HTTP_MIMETYPE, "application/json;charset=utf-8", HTTP_VERBOSE_THROTTLE, FALSE,
        HTTP_BODY_MAXLENGTH, MOST_ANSWER];
    if (is_filled_in(token())) options += [HTTP_CUSTOM_HEADER, "X-N2K-Token", token()];
    asked = path;
    key id = llHTTPRequest(address(path), options, body);
    if (id)
    {
        request = id;
        arm(ANSWER_SECONDS);
    }
    else if (is_blocked(id)) stop(blocked());
    else later("the grid's throttle lets no request out");
}

// The service decided: the next request may be sent.
settled()
{
    tries = 0;
    crossings = 0;
    pause = 0.0;
    if (!stopped) answered();
    arm(PACE);
}

// No decision: retry after a pause that doubles.
later(string why)
{
    report(why + ". Trying again by and by; waiting: " + (string)waiting());
    back_off(why);
}

// No answer, or an error of the server: if there is another address, that is asked, at once unless it has failed too.
failed(integer status, string why)
{
    if (!is_lost(status) || !has_other())
    {
        later(why);
        return;
    }
    report(why + ". Asking the other address for a while; waiting: " + (string)waiting());
    cross();
    crossings = crossings + 1;
    if (crossings == 1) arm(PACE);
    else back_off(why);
}

back_off(string why)
{
    if (pause == 0.0) pause = PACE;
    tries = tries + 1;
    if (tries >= MOST_TRIES)
    {
        tries = 0;
        give_up(why);
    }
    pause = pause * 2.0;
    if (pause > LONGEST_PAUSE) pause = LONGEST_PAUSE;
    arm(pause);
}

cut()
{
    later("the answer of " + url() + " was truncated, or did not come from an n2k service");
}

// Only the owner can help: one message, then no more requests to this address.
stop(string why)
{
    wrong = wrong | here();
    if (has_other())
    {
        tell_owner_anywhere(url() + " is not asked any more: " + why + ". Fix it, then touch me or reset me");
        cross();
        arm(PACE);
        return;
    }
    stopped = TRUE;
    arm(0.0);
    tell_owner_anywhere("stopped: " + why + ". Fix it, then touch me or reset me; waiting: " + (string)waiting());
}

heard(integer status, string text)
{
    string body = llStringTrim(text, STRING_TRIM);
    request = NULL_KEY;
    if (status == 200 && is_object(body)) took(body);
    else if (status == 200 && llGetSubString(body, 0, 0) == "{") cut();
    else if (is_refusal(status)) turned_down(status, body);
    else if (status == 0 || status == 499 || status == 408) unanswered(status);
    else if (status == 429) later("asked too often (429): " + said(body));
    else if (status >= 500) failed(status, "the service is in trouble (" + (string)status + "): " + said(body));
    else if (status == 401 || status == 403) stop("the token is wrong (" + (string)status + "): " + said(body));
    else stop(url() + " is not an n2k service (" + (string)status + "): " + said(body));
}

time_is_up()
{
    if (request == NULL_KEY)
    {
        proceed();
        return;
    }
    request = NULL_KEY;
    failed(0, "no answer came from " + url());
}

touched_by_owner(integer count)
{
    integer i;
    for (i = 0; i < count; ++i)
    {
        if (wrong != 0 && llDetectedKey(i) == llGetOwner())
        {
            tell_owner("going on.");
            if (stopped) settled();
            stopped = FALSE;
            wrong = 0;
            until = 0;
        }
    }
}

// A new owner resets the script. A restarted region has lost the pending answer: the retry is idempotent. What
// had stopped the script may be fixed by the restart, for example by changed settings of the grid.
lived_through(integer change)
{
    if (change & CHANGED_OWNER) llResetScript();
    if (!(change & CHANGED_REGION_START)) return;
    if (stopped) settled();
    stopped = FALSE;
    wrong = 0;
    until = 0;
    request = NULL_KEY;
    if (armed) arm(PACE);
}
// <<< asking

// >>> decided: the same text in every script whose requests are about avatars.
// Whether the service refused what was sent, and will refuse it again.
integer is_refusal(integer status)
{
    return status == 400 || status == 409 || status == 413;
}

// No avatar is dropped while names may be the reason: the queue waits until they are changed.
unanswered(integer status)
{
    integer names = is_unsendable(status);
    if (names) tries = 0;
    failed(status, "no answer from " + url() + ": no connection, a time-out or a bad certificate");
    if (names) suspect_names();
}

// Nothing is sent until the notecard is read: it may name the grid.
look_at_card()
{
    read_card();
    if (reading && request == NULL_KEY && !stopped) arm(LINE_SECONDS);
}

integer is_reading()
{
    if (!reading) return FALSE;
    insist();
    arm(LINE_SECONDS);
    return TRUE;
}

card_is_read()
{
    if (request == NULL_KEY && !stopped) arm(PACE);
}

noticed(integer change)
{
    lived_through(change);
    if (change & (CHANGED_INVENTORY | CHANGED_REGION_START)) look_at_card();
}
// <<< decided

// >>> registering: the same text in every script that registers avatars.
string AVATARS = "/api/v1/avatars";
integer MOST_BYTES = 1800;     // bytes of a list; with the rest a body stays below 2,000
integer MOST_AT_ONCE = 50;     // avatars in a list, by the service's own limit
float DAY = 86400.0;           // seconds to remember avatars that were sent, at most: names change

list seen = [];                // keys of avatars about which a service decided, REMEMBERED at most
integer seen_by = 0;           // which one: bits as in here(). The other one does not know them
integer sent = 0;              // how many, from the front of the queue, are in the current request
integer at_once = 50;          // avatars in the next list: halved when a whole list is refused, to find the bad row

enqueue(key avatar, string name)
{
    string who = (string)avatar;
    if (llGetTime() > DAY)
    {
        seen = [];
        llResetTime();
    }
    if (name == "" || llListFindList(queue, [who]) != -1 || llListFindList(seen, [who]) != -1) return;
    if (waiting() < MOST_WAITING) queue += [who, name];
    else tell(avatar, chosen("TOO_MANY", TOO_MANY), name);
}

// Says one of the texts, unless it is empty.
tell(key who, string text, string name)
{
    if (text != "") llRegionSayTo(who, 0, replaced(text, "{name}", name));
}

// This service decides now: what the other one decided does not count.
look_afresh()
{
    if (seen_by != here()) seen = [];
    seen_by = here();
}

remember(string who)
{
    look_afresh();
    seen += [who];
    while (llGetListLength(seen) > REMEMBERED) seen = llDeleteSubList(seen, 0, 0);
}

// A JSON string. llList2Json makes numbers, lists or objects of some names, and not all grids escape a backslash.
string quoted(string text)
{
    return "\"" + replaced(replaced(text, "\\", "\\\\"), "\"", "\\\"") + "\"";
}

// The grid in a body; without it the shard header counts.
string and_grid()
{
    string grid = chosen("GRID", GRID);
    if (grid != "") return ",\"grid\":" + quoted(grid);
    return "";
}

// As many as fit into one body, from the front of the queue.
string batch()
{
    string items = "";
    integer bytes = 0;
    integer full = FALSE;
    sent = 0;
    while (sent < waiting() && sent < at_once && !full)
    {
        string name = llList2String(queue, sent * 2 + 1);
        bytes = bytes + llStringLength(llEscapeURL(name)) + 60;  // an escaped name is never shorter than its UTF-8
        if (sent > 0 && bytes > MOST_BYTES) full = TRUE;
        else
        {
            if (sent > 0) items += ",";
            items += "{\"key\":\"" + llList2String(queue, sent * 2) + "\",\"name\":" + quoted(name) + "}";
            sent = sent + 1;
        }
    }
    return "{\"avatars\":[" + items + "]" + and_grid() + "}";
}

send()
{
    if (waiting() == 0) arm(0.0);
    else ask("POST", AVATARS, batch());
}

// Removes an avatar from the queue that the service refused.
turn_away(integer at, string status, string why, integer aloud)
{
    string who = llList2String(queue, at);
    string name = llList2String(queue, at + 1);
    if (aloud) tell_owner(name + " was not registered (" + status + "): " + why);
    tell((key)who, chosen("REFUSED", REFUSED), name);
    remember(who);
    queue = llDeleteSubList(queue, at, at + 1);
    sent = sent - 1;
}

thank()
{
    integer i;
    for (i = 0; i < sent; ++i)
    {
        string who = llList2String(queue, i * 2);
        remember(who);
        tell((key)who, chosen("REGISTERED", REGISTERED), llList2String(queue, i * 2 + 1));
    }
    drop_sent();
}

drop_sent()
{
    if (sent > 0) queue = llDeleteSubList(queue, 0, sent * 2 - 1);
    sent = 0;
}

// Answer to a list: how many were stored, and which were refused and why. A list of refusals may be truncated to what a script
// can receive: then no avatar is thanked yet, and those not named are sent again.
registered(string body)
{
    if (llJsonValueType(body, ["registered"]) != JSON_NUMBER || llJsonValueType(body, ["refused"]) != JSON_ARRAY)
    {
        cut();
        return;
    }
    integer stored = (integer)llJsonGetValue(body, ["registered"]);
    list refusals = llJson2List(llJsonGetValue(body, ["refused"]));
    integer before = sent;
    integer i;
    for (i = 0; i < llGetListLength(refusals); ++i)
    {
        string refusal = llList2String(refusals, i);
        integer at = llListFindList(queue, [llToLower(llJsonGetValue(refusal, ["key"]))]);
        if (at != -1 && at < sent * 2)
            turn_away(at, llJsonGetValue(refusal, ["status"]), said(llJsonGetValue(refusal, ["why"])), before - sent < 3);
    }
    if (before - sent > 3) tell_owner((string)(before - sent - 3) + " more were not registered.");
    if (sent == before && stored != sent)
    {
        later("the answer of " + url() + " makes no sense");
        return;
    }
    at_once = at_once * 2;
    if (at_once > MOST_AT_ONCE) at_once = MOST_AT_ONCE;
    if (stored == sent) thank();
    settled();
}

// A whole list was refused (400, 409, 413): smaller ones find the bad row.
not_registered(integer status, string why)
{
    if (sent > 1) at_once = sent / 2;
    else turn_away(0, (string)status, why, TRUE);
    settled();
}

// Too many failures in a row. With a second address no avatar is dropped: the queue waits until one of both is back.
abandon_sent(string why)
{
    if (is_filled_in(SPARE))
    {
        at_once = sent / 2 + 1;
        return;
    }
    string whom = llList2String(queue, 1);
    if (sent > 1) whom = (string)sent + " avatars, " + whom + " the first";
    tell_owner("gave up on " + whom + ": " + why);
    drop_sent();
}
// <<< registering

string in_grid(string path)
{
    path += "?limit=" + (string)LIMIT;
    string grid = chosen("GRID", GRID);
    if (grid != "") path += "&grid=" + llEscapeURL(grid);
    return path;
}

string listed(list some)
{
    return "{\"keys\":[\"" + llDumpList2String(some, "\",\"") + "\"]" + and_grid() + "}";
}

// The owner's name comes last: if that is answered, no throttle has dropped the queries before it.
ask_grid()
{
    key question = llRequestAgentData(llList2Key(keys, 0), DATA_NAME);
    if (llGetListLength(keys) > 1) awaited += [(string)question, llList2String(keys, 0)];
    else probe = question;
    keys = llDeleteSubList(keys, 0, 0);
    deadline = llGetUnixTime() + PATIENCE;
    arm(ASK_PACE);
}

give_up_on_silence()
{
    if (believed) unknown += llList2ListStrided(llDeleteSubList(awaited, 0, 0), 0, -1, 2);
    else tell_owner("the grid returns no names, not even the owner's. Trying again by and by.");
    awaited = [];
    if (!believed) arm(IDLE);
    else next();
}

next()
{
    if (is_reading()) return;
    if (llGetListLength(keys) > 0) ask_grid();
    else if (llGetListLength(awaited) > 0 && llGetUnixTime() < deadline) arm(GLANCE);
    else if (llGetListLength(awaited) > 0) give_up_on_silence();
    else if (waiting() > 0) send();
    else if (llGetListLength(unknown) > 0) ask("POST", UNKNOWN, listed(unknown));
    else ask("GET", in_grid(PENDING), "");
}

// Pending keys. If one comes back that was answered already, the service cannot use the name.
given(string body)
{
    if (llJsonValueType(body, ["keys"]) != JSON_ARRAY)
    {
        cut();
        return;
    }
    look_afresh();
    list some = llList2List(llJson2List(llJsonGetValue(body, ["keys"])), 0, LIMIT - 1);
    integer i;
    for (i = 0; i < llGetListLength(some); ++i)
    {
        string who = llList2String(some, i);
        if (llListFindList(seen, [who]) != -1) unknown += [who];
        else if ((key)who) keys += [who];
    }
    settled();
    believed = FALSE;
    if (llGetListLength(keys) > 0) keys += [(string)llGetOwner()];
    else if (llGetListLength(unknown) == 0) arm(IDLE);
}

took(string body)
{
    if (asked == AVATARS) registered(body);
    else if (asked == UNKNOWN)
    {
        unknown = [];
        settled();
        if ((integer)llJsonGetValue(body, ["dropped"]) == 0) arm(IDLE);
    }
    else given(body);
}

turned_down(integer status, string body)
{
    if (asked == AVATARS)
    {
        not_registered(status, said(body));
        return;
    }
    unknown = [];
    later("the service does not want this question (" + (string)status + "): " + said(body));
}

give_up(string why)
{
    if (asked == AVATARS) abandon_sent(why);
    else unknown = [];
}

default
{
    state_entry()
    {
        look_at_card();
        go();
    }

    // For an unknown key OpenSimulator returns "0", Second Life nothing. "(Loading...)" or "(???) (???)": the
    // grid does not have the name at the moment, and the service will return the key again.
    dataserver(key question, string name)
    {
        heard_line(question, name);
        if (question == probe) believed = TRUE;
        integer at = llListFindList(awaited, [(string)question]);
        if (at == -1) return;
        string who = llList2String(awaited, at + 1);
        awaited = llDeleteSubList(awaited, at, at + 1);
        if (name == "" || name == "0") unknown += [who];
        else if (llGetSubString(name, 0, 0) != "(") enqueue((key)who, name);
    }

    touch_start(integer count)
    {
        touched_by_owner(count);
    }

    // Answers of the grid are lost as well: silence about those keys means nothing.
    changed(integer change)
    {
        noticed(change);
        if (!(change & CHANGED_REGION_START)) return;
        keys = [];
        awaited = [];
    }

    // >>> events: the same text in every script that holds a token.
    timer()
    {
        time_is_up();
    }

    // Every script in a prim gets the answers to all scripts: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (request != NULL_KEY && id == request) heard(status, body);
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
    // <<< events
}
