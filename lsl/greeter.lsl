// greeter.lsl: registers avatars in the region.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// It scans the region once a minute. Errors are reported to the owner only.

// "n2k lsl greeter" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// TOKEN: one that may register.
// GRID: the grid of these avatars, such as "Production"; "": the shard that the simulator sends.
string URL = "https://example.com/n2k/";
string TOKEN = "";
string GRID = "";

// Yours to change.
float EVERY = 60.0;            // seconds between scans; while requests fail, it scans when it retries
integer REMEMBERED = 150;      // avatars not to send again within a day, some 15 KB

// Messages to avatars: none while these are empty. {name} is the avatar's name.
string REGISTERED = "";
string REFUSED = "";
string TOO_MANY = "";

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "greeter";
integer NO_NPC = 0x4000000;    // OpenSimulator's AGENT_LIST_EXCLUDENPC, which Second Life does not know

// >>> common: the same text in every script.
integer SILENCES = 3;          // requests in a row without an answer: then the names of object, owner and region are suspected

integer silences = 0;          // how many there were

// A comparison of the line itself would always be true, or always false, and compilers warn about that.
integer is_filled_in(string setting)
{
    return setting != "";
}

string replaced(string text, string what, string by)
{
    return llDumpList2String(llParseStringKeepNulls(text, [what], []), by);
}

// The address of the service with a path, which begins with a slash.
string address(string path)
{
    if (llGetSubString(URL, -1, -1) == "/") return llDeleteSubString(URL, -1, -1) + path;
    return URL + path;
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

// OpenSimulator gives no key at all for an address that its filter refuses, and the null key when there are too many requests.
integer is_blocked(key request_id)
{
    return (string)request_id == "";
}

string blocked()
{
    return "this grid lets no script ask " + URL + ". Its operator can allow it: OpenSim.ini, section [Network], setting"
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

string asked = "";             // the path of the last request
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer armed = FALSE;         // the timer runs: a timeout, or the pause before the next request
integer stopped = FALSE;       // something must be fixed before another request makes sense
integer tries = 0;             // failures in a row
float pause = 0.0;             // seconds, doubled by every failure; 0: the last request did not fail

arm(float seconds)
{
    armed = (seconds > 0.0);
    llSetTimerEvent(seconds);
}

go()
{
    if (!armed && !stopped) next();
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
    list options = [HTTP_METHOD, method, HTTP_MIMETYPE, "application/json;charset=utf-8", HTTP_VERBOSE_THROTTLE, FALSE,
        HTTP_BODY_MAXLENGTH, MOST_ANSWER];
    if (is_filled_in(TOKEN)) options += [HTTP_CUSTOM_HEADER, "X-N2K-Token", TOKEN];
    asked = path;
    key id = llHTTPRequest(address(path), options, body);
    request = NULL_KEY;
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
    silences = 0;
    pause = 0.0;
    arm(PACE);
}

// No decision: retry after a pause that doubles. Only the first failure in a row is reported to the owner.
later(string why)
{
    if (pause == 0.0)
    {
        pause = PACE;
        tell_owner(why + ". Trying again by and by; waiting: " + (string)waiting());
    }
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
    later("the answer of " + URL + " was truncated, or did not come from an n2k service");
}

// Only the owner can help: one message, then no more requests.
stop(string why)
{
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
    else if (status >= 500) later("the service is in trouble (" + (string)status + "): " + said(body));
    else if (status == 401 || status == 403) stop("the token is wrong (" + (string)status + "): " + said(body));
    else stop(URL + " is not an n2k service (" + (string)status + "): " + said(body));
}

time_is_up()
{
    if (request == NULL_KEY)
    {
        next();
        return;
    }
    request = NULL_KEY;
    later("no answer came from " + URL);
}

touched_by_owner(integer count)
{
    integer i;
    for (i = 0; i < count; ++i)
    {
        if (stopped && llDetectedKey(i) == llGetOwner())
        {
            stopped = FALSE;
            tell_owner("going on.");
            settled();
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
    later("no answer from " + URL + ": no connection, a time-out or a bad certificate");
    if (names) suspect_names();
}
// <<< decided

// >>> registering: the same text in every script that registers avatars.
string AVATARS = "/api/v1/avatars";
integer MOST_BYTES = 1800;     // bytes of a list; with the rest a body stays below 2,000
integer MOST_AT_ONCE = 50;     // avatars in a list, by the service's own limit
float DAY = 86400.0;           // seconds to remember avatars that were sent, at most: names change

list seen = [];                // keys of avatars about which the service decided, REMEMBERED at most
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
    else tell(avatar, TOO_MANY, name);
}

// Says one of the texts at the top, unless it is empty.
tell(key who, string text, string name)
{
    if (text != "") llRegionSayTo(who, 0, replaced(text, "{name}", name));
}

remember(string who)
{
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
    if (is_filled_in(GRID)) return ",\"grid\":" + quoted(GRID);
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
    tell((key)who, REFUSED, name);
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
        tell((key)who, REGISTERED, llList2String(queue, i * 2 + 1));
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
        later("the answer of " + URL + " makes no sense");
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

abandon_sent(string why)
{
    string whom = llList2String(queue, 1);
    if (sent > 1) whom = (string)sent + " avatars, " + whom + " the first";
    tell_owner("gave up on " + whom + ": " + why);
    drop_sent();
}
// <<< registering

look()
{
    list agents = llGetAgentList(AGENT_LIST_REGION | NO_NPC, []);
    if (llList2String(agents, 0) == "INVALID_SCOPE") agents = llGetAgentList(AGENT_LIST_REGION, []);
    integer i;
    for (i = 0; i < llGetListLength(agents); ++i)
    {
        key who = llList2Key(agents, i);
        enqueue(who, llKey2Name(who));
    }
}

next()
{
    look();
    if (waiting() > 0) send();
    else arm(EVERY);
}

took(string body)
{
    registered(body);
}

turned_down(integer status, string body)
{
    not_registered(status, said(body));
}

give_up(string why)
{
    abandon_sent(why);
}

default
{
    state_entry()
    {
        go();
    }

    touch_start(integer count)
    {
        touched_by_owner(count);
    }

    changed(integer change)
    {
        lived_through(change);
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
