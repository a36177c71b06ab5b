// forget.lsl: removes an avatar that touches this object, and confirms it twice, from the directory.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// For the owner of the service. A touch identifies the avatar, and needs no listener: no avatar can answer for another,
// and several may be asked at once. Errors are reported to the owner of this object.

// "n2k lsl forget" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// TOKEN: one that may forget.
string URL = "https://example.com/n2k/";
string TOKEN = "";

// Messages to avatars, sentence by sentence; {url} is the address of the service.
list QUESTION = [
    "This takes your name and key out of the directory at {url}: objects that ask it will not find you any more.",
    "If you want that, touch again within a minute. If not, do nothing."];
list SECOND_QUESTION = [
    "Are you sure? Only the owner of the directory can undo it.",
    "Touch once more within a minute to be taken out. If not, do nothing."];
list NOTED = [
    "Noted. It takes some seconds, longer when the directory does not answer; a message will tell you when it is done.",
    "If you hear nothing within an hour, please touch again."];
list ON_ITS_WAY = ["Your wish is on its way. You will get a message when it is done."];
list DONE = [
    "Done. The directory at {url} answers neither to your name nor to your key any more, from this moment on,",
    "and takes no registration of you."];
list NOT_DONE = ["You are still in the directory: it did not answer for a long time. Please touch again later."];
list REFUSED = ["You could not be removed from the directory, sorry. The owner of the object was told why."];
list TOO_MANY = ["Too many are waiting. Please touch again later."];
list OUT_OF_ORDER = ["This is out of order, sorry. Its owner was told."];

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "forget";
integer QUICK = 2;             // seconds: a touch sooner after a question does not count, it cannot have been read
integer TIME_TO_THINK = 60;    // seconds until a question expires
integer MOST_ASKED = 20;       // avatars with an open question at the same time, 5 KB

list thinking = [];            // key, number of touches, Unix time of the last question: of each avatar

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

string sentences(list text)
{
    return replaced(llDumpList2String(text, " "), "{url}", URL);
}

tell(key who, list text)
{
    llRegionSayTo(who, 0, sentences(text));
}

next()
{
    if (waiting() == 0) arm(0.0);
    else ask("POST", "/api/v1/forgotten", "{\"key\":\"" + llList2String(queue, 0) + "\"}");
}

// By instant message, which arrives wherever the avatar is by then.
done_with(list text)
{
    key who = llList2Key(queue, 0);
    queue = llDeleteSubList(queue, 0, 1);
    llInstantMessage(who, sentences(text));
}

took(string body)
{
    if (llJsonGetValue(body, ["forgotten"]) != JSON_TRUE)
    {
        cut();
        return;
    }
    settled();
    done_with(DONE);
}

turned_down(integer status, string body)
{
    tell_owner(llList2String(queue, 1) + " was not taken out (" + (string)status + "): " + said(body));
    settled();
    done_with(REFUSED);
}

give_up(string why)
{
    tell_owner("gave up on " + llList2String(queue, 1) + ": " + why);
    done_with(NOT_DONE);
}

ask_avatar(key who, integer times, list text)
{
    if (llGetListLength(thinking) >= MOST_ASKED * 3) thinking = llDeleteSubList(thinking, 0, 2);
    thinking += [(string)who, times, llGetUnixTime()];
    tell(who, text);
}

// The key comes with the touch, and identifies everything that is remembered.
touched_by(key who, string name)
{
    if (llListFindList(queue, [(string)who]) != -1)
    {
        tell(who, ON_ITS_WAY);
        return;
    }
    integer times = 0;
    integer at = llListFindList(thinking, [(string)who]);
    if (at != -1)
    {
        integer since = llGetUnixTime() - llList2Integer(thinking, at + 2);
        if (since < QUICK) return;
        if (since <= TIME_TO_THINK) times = llList2Integer(thinking, at + 1);
        thinking = llDeleteSubList(thinking, at, at + 2);
    }
    if (times == 0) ask_avatar(who, 1, QUESTION);
    else if (times == 1) ask_avatar(who, 2, SECOND_QUESTION);
    else if (waiting() >= MOST_WAITING) tell(who, TOO_MANY);
    else
    {
        queue += [(string)who, name];
        tell(who, NOTED);
    }
}

default
{
    touch_start(integer count)
    {
        integer i;
        touched_by_owner(count);
        for (i = 0; i < count; ++i)
        {
            if (stopped) tell(llDetectedKey(i), OUT_OF_ORDER);
            else touched_by(llDetectedKey(i), llDetectedName(i));
        }
        go();
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
