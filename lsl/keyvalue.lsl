// keyvalue.lsl: keeps data for the other scripts of its object, in the key-value service.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// Scripts call it by link messages, and get answers in the form of Linden Lab's Experience functions: docs/lsl.md, "Keeping
// data". Calls wait in a queue and share requests. Errors that only the owner can fix are reported to the owner.

// "n2k lsl keyvalue" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// TOKEN: one with the scope keyvalue; it names the namespace.
// SPARE, SPARE_TOKEN: the same of a second one, which is asked while the first one does not answer; "": there is none.
string URL = "https://example.com/n2k/";
string TOKEN = "";
string SPARE = "";
string SPARE_TOKEN = "";

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "keyvalue";
integer CALL = 7221867;        // number of a link message with a call: "n2k" as 0x6E326B
integer REPLY = 7221868;       // number of the link message that answers it
float PACE = 1.0;              // seconds between requests; grids permit 25 in 20 s, or one per second
float LONGEST_PAUSE = 60.0;    // the longest pause; Second Life permits requests again after 40 s without any
integer MOST_TRIES = 7;        // failures in a row, about two minutes, after which what waits is answered with an error
integer MOST_ANSWER = 6500;    // bytes that are kept of an answer, 13 KB of a script's 64: one value, or several short ones
integer MOST_WAITING = 30;     // calls in the queue; with their texts some 15 KB
integer MOST_LETTERS = 5000;   // letters of all texts in the queue
integer MOST_AT_ONCE = 20;     // calls in a request: their answers reach a caller together, whose queue of events holds 64
integer MOST_KEY = 500;        // bytes of a key, by the service's limit
integer MOST_VALUE = 4095;     // bytes of a value, by the limit of Experiences
integer MOST_PAGE = 4096;      // bytes of a page of keys, by the same
integer MOST_KEYS = 1000;      // keys in a page, by the service's limit

// Errors: numbers of Linden Lab's XP_ERROR_ constants, which not all grids know.
integer THROTTLED = 1;
integer INVALID_PARAMETERS = 3;
integer NOT_PERMITTED = 4;
integer QUOTA_EXCEEDED = 11;
integer STORE_DISABLED = 12;
integer STORAGE_EXCEPTION = 13;
integer KEY_NOT_FOUND = 14;
integer RETRY_UPDATE = 15;

integer WIDTH = 6;             // elements of a call: id, link of the caller, function, key, value, original value
list calls = [];               // those that wait, oldest first
integer letters = 0;           // of their texts
integer sent = 0;              // how many, from the front, are in the current request; 0: not chosen yet
integer at_once = 20;          // calls in the next request: 1 after one was refused as a whole, to find the bad call
string sending = "";           // the id of the current request: when it is repeated, the service does not write again
integer is_down = FALSE;       // calls were given up, and the service has not answered since

// Where keys were listed last: function keys() counts keys, the service has a cursor.
string beginning = "";         // what those keys begin with
integer before = 0;            // how many keys come before the next page
string cursor = "";            // where that begins

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

integer waiting()
{
    return llGetListLength(calls) / WIDTH;
}

string part(integer at, integer element)
{
    return llList2String(calls, at * WIDTH + element);
}

integer letters_of(integer at)
{
    return llStringLength(part(at, 3)) + llStringLength(part(at, 4)) + llStringLength(part(at, 5));
}

string error(integer number)
{
    return "0," + (string)number;
}

// Answers a call and removes it from the queue.
reply(integer at, string text)
{
    key id = part(at, 0);
    integer link = (integer)part(at, 1);
    letters = letters - letters_of(at);
    calls = llDeleteSubList(calls, at * WIDTH, at * WIDTH + WIDTH - 1);
    llMessageLinked(link, REPLY, text, id);
}

reply_all(integer number)
{
    sent = 0;
    while (waiting() > 0) reply(0, error(number));
}

// Whether UTF-8 needs more bytes than that; at most four for a letter.
integer is_longer(string text, integer most)
{
    integer length = llStringLength(text);
    if (length * 4 <= most) return FALSE;
    if (length > most) return TRUE;
    string code = llStringToBase64(text);
    integer bytes = llStringLength(code) / 4 * 3;
    integer filler = llSubStringIndex(code, "=");
    if (filler != -1) bytes = bytes - (llStringLength(code) - filler);
    return bytes > most;
}

// The texts of a call: each is preceded by its length and a colon. An empty list if they are not.
list texts(string message)
{
    list found = [];
    while (message != "")
    {
        integer colon = llSubStringIndex(message, ":");
        integer length = (integer)llGetSubString(message, 0, colon);
        string text = "";
        if (length > 0) text = llGetSubString(message, colon + 1, colon + length);
        if (colon < 1 || length < 0 || llStringLength(text) != length) return [];
        found += [text];
        message = llDeleteSubString(message, 0, colon + length);
    }
    return found;
}

// What a call needs: the op= of its request; "": no such function.
string op_of(string function)
{
    if (llListFindList(["create", "update", "check", "delete", "remove", "increment"], [function]) != -1) return "batch";
    if (llListFindList(["count", "size"], [function]) != -1) return "space";
    if (function == "read") return "get";
    if (function == "keys") return "keys";
    return "";
}

integer is_valid(string op, string name, string value, string original)
{
    if (op == "") return FALSE;
    if (op == "space") return TRUE;
    if (op == "keys") return (integer)name >= 0 && (integer)value > 0 && !is_longer(original, MOST_KEY);
    return name != "" && !is_longer(name, MOST_KEY) && !is_longer(value, MOST_VALUE) && !is_longer(original, MOST_VALUE);
}

called(integer link, string message, key id)
{
    integer error_number = 0;
    list call = [];
    if (link == 0) link = LINK_THIS;  // an object of one prim has other numbers while an avatar sits on it
    if (llStringLength(message) <= MOST_LETTERS + 100) call = texts(message);
    string function = llList2String(call, 0);
    if (function == "update" && llGetListLength(call) > 3) function = "check";
    string name = llList2String(call, 1);
    string value = llList2String(call, 2);
    string original = llList2String(call, 3);
    integer length = llStringLength(name + value + original);
    if (!is_valid(op_of(function), name, value, original)) error_number = INVALID_PARAMETERS;
    else if (length > MOST_LETTERS) error_number = INVALID_PARAMETERS;
    else if (stopped) error_number = STORE_DISABLED;
    else if (waiting() >= MOST_WAITING || letters + length > MOST_LETTERS) error_number = THROTTLED;
    if (error_number != 0)
    {
        llMessageLinked(link, REPLY, error(error_number), id);
        return;
    }
    calls += [(string)id, link, function, name, value, original];
    letters = letters + length;
    go();
}

// A JSON string. llList2Json makes numbers, lists or objects of some texts, and not all grids escape a backslash.
string quoted(string text)
{
    text = replaced(replaced(text, "\\", "\\\\"), "\"", "\\\"");
    integer i;
    for (i = 1; i < 32; ++i)
    {
        string code = (string)(i / 16) + llGetSubString("0123456789ABCDEF", i % 16, i % 16);
        string letter = llUnescapeURL("%" + code);
        if (llSubStringIndex(text, letter) != -1) text = replaced(text, letter, "\\u00" + code);
    }
    return "\"" + text + "\"";
}

string field(string name, string text)
{
    return ",\"" + name + "\":" + quoted(text);
}

// A call as operations of a batch. What is deleted is read in the same batch.
string operations(integer at)
{
    string function = part(at, 2);
    string name = field("key", part(at, 3));
    if (function == "delete") return "{\"op\":\"get\"" + name + "},{\"op\":\"delete\"" + name + "}";
    if (function == "remove") return "{\"op\":\"delete\"" + name + "}";
    string value = part(at, 4);
    if (function == "increment") return "{\"op\":\"incr\"" + name + field("by", value) + field("initial", value) + "}";
    string condition = "";
    if (function == "create") condition = field("if", "absent");
    else if (function == "check") condition = field("if_value", part(at, 5));
    return "{\"op\":\"put\"" + name + field("text", value) + condition + "}";
}

// As many calls from the front of the queue as one request can do. A delete is the last: its value may fill the answer.
choose()
{
    string op = op_of(part(0, 2));
    sent = 0;
    sending = (string)llGenerateKey();
    while (sent < waiting() && sent < at_once && op_of(part(sent, 2)) == op)
    {
        ++sent;
        if (op == "keys" || part(sent - 1, 2) == "delete") return;
    }
}

// The path of the next page of keys. It begins where the last one ended, unless other keys are wanted.
string page()
{
    integer first = (integer)part(0, 3);
    integer count = (integer)part(0, 4);
    string wanted = part(0, 5);
    if (wanted != beginning || first < before)
    {
        beginning = wanted;
        before = 0;
        cursor = "";
    }
    integer limit = MOST_KEYS;
    integer skipped = first - before;
    if (skipped < limit && count < limit - skipped) limit = skipped + count;
    string path = "/db?format=json&max_bytes=" + (string)MOST_PAGE + "&limit=" + (string)limit;
    if (beginning != "") path += "&prefix=" + llEscapeURL(beginning);
    if (cursor != "") path += "&cursor=" + llEscapeURL(cursor);
    return path;
}

// The body that names the keys to read, or the operations of a batch.
string body_of(string op)
{
    string body = "{\"keys\":[";
    if (op == "batch") body = "{\"operations\":[";
    integer i;
    for (i = 0; i < sent; ++i)
    {
        if (i > 0) body += ",";
        if (op == "batch") body += operations(i);
        else body += quoted(part(i, 3));
    }
    return body + "]}";
}

next()
{
    if (waiting() == 0)
    {
        arm(0.0);
        return;
    }
    if (sent == 0) choose();
    string op = op_of(part(0, 2));
    string path = "/db?format=json&op=" + op;
    if (op == "keys") ask("GET", page(), "");
    else if (op == "space") ask("GET", path, "");
    else
    {
        path += "&max_bytes=" + (string)MOST_ANSWER;
        if (op == "batch") path += "&request_id=" + sending;
        ask("POST", path, body_of(op));
    }
    if (stopped) reply_all(STORE_DISABLED);
}

// The service decided: other calls may share the next request.
done()
{
    sent = 0;
    is_down = FALSE;
    at_once = at_once * 2;
    if (at_once > MOST_AT_ONCE) at_once = MOST_AT_ONCE;
    settled();
}

// The value in an answer; "": it has none. Bytes are read as UTF-8, JSON as it is written.
string value_of(string body, list path)
{
    string value = llJsonGetValue(body, path + ["text"]);
    if (value == JSON_INVALID) value = llJsonGetValue(body, path + ["json"]);
    if (value != JSON_INVALID) return value;
    value = llJsonGetValue(body, path + ["base64"]);
    if (value == JSON_INVALID) return "";
    return llBase64ToString(value);
}

// As many values as fit in an answer, in the order of the calls; the others are asked for again. null: no such key. One that
// does not fit has its size instead.
values(string body)
{
    integer i;
    integer count = sent;
    for (i = 0; i < count; ++i)
    {
        string type = llJsonValueType(body, ["entries", i]);
        integer is_long = llJsonValueType(body, ["entries", i, "size"]) == JSON_NUMBER;
        if (type == JSON_NULL) reply(0, error(KEY_NOT_FOUND));
        else if (is_long) reply(0, error(INVALID_PARAMETERS));
        else if (type == JSON_OBJECT) reply(0, "1," + value_of(body, ["entries", i]));
    }
}

// A batch was done: a result for each operation, in their order.
results(string body)
{
    integer at = 0;
    integer count = sent;
    integer i;
    for (i = 0; i < count; ++i)
    {
        string function = part(0, 2);
        string text = part(0, 4);
        if (function == "delete") text = value_of(body, ["results", at++]);
        else if (function == "increment") text = llJsonGetValue(body, ["results", at, "number"]);
        reply(0, "1," + text);
        ++at;
    }
}

// The error of a call that the service refused. 412: the key exists already, or its value is another.
integer error_of(string function, integer status)
{
    if (status == 412 && function == "check") return RETRY_UPDATE;
    if (status == 404 && function == "remove") return KEY_NOT_FOUND;
    if (status == 412 || status == 404) return STORAGE_EXCEPTION;
    if (status == 413) return QUOTA_EXCEEDED;
    if (status == 403) return NOT_PERMITTED;
    return INVALID_PARAMETERS;
}

// Nothing of a batch was done, because of the operations that are named by their place: their calls are answered, the others
// are sent again.
failures(string body)
{
    integer before_it = waiting();
    integer failure = 0;
    integer operation = 0;
    integer at = 0;
    integer count = sent;
    integer i;
    for (i = 0; i < count; ++i)
    {
        string function = part(at, 2);
        integer status = 0;
        ++operation;
        if (function == "delete") ++operation;
        while (is_before(body, failure, operation)) status = (integer)llJsonGetValue(body, ["failures", failure++, "status"]);
        if (status != 0) reply(at, error(error_of(function, status)));
        else ++at;
    }
    if (waiting() < before_it) done();
    else cut();
}

integer is_before(string body, integer failure, integer operation)
{
    string index = llJsonGetValue(body, ["failures", failure, "index"]);
    return index != JSON_INVALID && (integer)index < operation;
}

listed(string body)
{
    list names = llJson2List(llJsonGetValue(body, ["keys"]));
    string after = llJsonGetValue(body, ["cursor"]);
    integer skipped = (integer)part(0, 3) - before;
    integer count = llGetListLength(names);
    if (count > skipped) reply(0, "1," + llDumpList2String(llList2List(names, skipped, -1), ","));
    else if (after == JSON_INVALID) reply(0, error(KEY_NOT_FOUND));
    if (after != JSON_INVALID)
    {
        before = before + count;
        cursor = after;
    }
}

measured(string body)
{
    integer count = sent;
    integer i;
    for (i = 0; i < count; ++i)
    {
        string used = llJsonGetValue(body, ["keys"]);
        if (part(0, 2) == "size") used = llJsonGetValue(body, ["used"]) + "," + llJsonGetValue(body, ["quota"]);
        reply(0, "1," + used);
    }
}

took(string body)
{
    string op = op_of(part(0, 2));
    if (op == "get" && llJsonValueType(body, ["entries", 0]) != JSON_INVALID) values(body);
    else if (op == "batch" && llJsonValueType(body, ["results", 0]) == JSON_OBJECT) results(body);
    else if (op == "keys" && llJsonValueType(body, ["keys"]) == JSON_ARRAY) listed(body);
    else if (op == "space" && llJsonValueType(body, ["used"]) == JSON_NUMBER) measured(body);
    else
    {
        cut();
        return;
    }
    done();
}

integer is_refusal(integer status)
{
    return status >= 400 && status < 500 && llListFindList([401, 408, 429, 499], [status]) == -1;
}

// A request that was refused as a whole is sent again call by call, to find the bad one.
turned_down(integer status, string body)
{
    string op = op_of(part(0, 2));
    if (!is_object(body)) stop(url() + " is not an n2k service (" + (string)status + "): " + said(body));
    else if (llJsonValueType(body, ["failures"]) == JSON_ARRAY) failures(body);
    else if (status == 404 || (status == 403 && op != "batch"))
        stop("the service refuses (" + (string)status + "): " + said(body));
    else if (sent > 1)
    {
        sent = 0;
        at_once = 1;
        settled();
    }
    else
    {
        tell_owner("refused (" + (string)status + "): " + said(body));
        reply(0, error(error_of(part(0, 2), status)));
        done();
    }
}

unanswered(integer status)
{
    failed(status, "no answer from " + url() + ": no connection, a time-out or a bad certificate");
    if (is_unsendable(status)) suspect_names();
}

// Until the service answers again, one failure is enough.
give_up(string why)
{
    if (!is_down) tell_owner("gave up on " + (string)waiting() + " calls: " + why);
    is_down = TRUE;
    tries = MOST_TRIES - 1;
    reply_all(STORAGE_EXCEPTION);
}

default
{
    link_message(integer link, integer number, string message, key id)
    {
        if (number == CALL) called(link, message, id);
    }

    touch_start(integer count)
    {
        touched_by_owner(count);
    }

    changed(integer change)
    {
        lived_through(change);
    }

    timer()
    {
        time_is_up();
    }

    // Every script in a prim gets the answers to all scripts: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (request == NULL_KEY || id != request) return;
        heard(status, body);
        if (stopped) reply_all(STORE_DISABLED);
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
}
