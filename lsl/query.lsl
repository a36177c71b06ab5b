// query.lsl: touch this object and say a name or a key on channel 5; it answers with the other of the two.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// One avatar at a time; others are asked to wait. Errors are reported to the owner only.

// "n2k lsl query" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// GRID: the grid of the avatars, such as "Production"; "": preferably the one of the simulator.
string URL = "https://example.com/n2k/";
string GRID = "";

// Yours to change.
integer CHANNEL = 5;
float LISTEN_SECONDS = 30.0;   // seconds that one avatar may take before others get a turn

// Messages to avatars; {channel} is the channel, {asked} the name or key that is looked up.
string EXPLANATION = "Say a name or a key on channel {channel}, for example: /{channel} Governor Linden";
string STILL_LOOKING = "Still looking for {asked}.";
string BUSY = "Somebody else is asking. Please touch again in a moment.";
string TOO_LATE = "Time is up. Touch again when you want to ask.";
string NO_SUCH_NAME = "No avatar called {asked} is known here.";
string NO_SUCH_KEY = "No avatar with the key {asked} is known here.";
string NO_ANSWER = "No answer for {asked} this time, sorry.";

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "query";
float ANSWER_SECONDS = 90.0;   // grids report a timeout after 60 s at most; the report itself may be lost
float FIRST_PAUSE = 2.0;       // seconds to wait if the grid's throttle refuses; doubled each time
float LONGEST_PAUSE = 64.0;    // Second Life permits requests again after 40 s without any
integer MOST_LETTERS = 127;    // a longer answer to a key is not a name

key asker = NULL_KEY;          // the avatar whose turn it is, or NULL_KEY
string wanted = "";            // the name or key to look up; "": not said yet
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer listener = 0;
float pause = 0.0;

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

tell(key whom, string text)
{
    llRegionSayTo(whom, 0, replaced(replaced(text, "{channel}", (string)CHANNEL), "{asked}", wanted));
}

end_turn()
{
    llSetTimerEvent(0.0);
    llListenRemove(listener);
    asker = NULL_KEY;
    wanted = "";
    request = NULL_KEY;
}

answer(string text)
{
    tell(asker, text);
    end_turn();
}

fail(string why)
{
    tell_owner(why);
    answer(NO_ANSWER);
}

// The first line of a server's message, short enough for chat.
string line(string body)
{
    return llGetSubString(llList2String(llParseString2List(body, ["\n"], []), 0), 0, 199);
}

listen_to(key avatar)
{
    asker = avatar;
    llListenRemove(listener);
    listener = llListen(CHANNEL, "", asker, "");
    llSetTimerEvent(LISTEN_SECONDS);
    tell(asker, EXPLANATION);
}

touched_by(key avatar)
{
    if (asker == NULL_KEY || (avatar == asker && wanted == "")) listen_to(avatar);
    else if (avatar == asker) tell(avatar, STILL_LOOKING);
    else tell(avatar, BUSY);
}

integer is_key(string text)
{
    if ((key)text) return TRUE;
    return text == NULL_KEY;
}

ask()
{
    string path = "/?name=";
    if (is_key(wanted)) path = "/?key=";
    path += llEscapeURL(wanted);
    if (is_filled_in(GRID)) path += "&grid=" + llEscapeURL(GRID);
    request = llHTTPRequest(address(path), [HTTP_METHOD, "GET", HTTP_VERBOSE_THROTTLE, FALSE], "");
    if (is_blocked(request)) fail(blocked());
    else if (request != NULL_KEY) llSetTimerEvent(ANSWER_SECONDS);
    else if (pause > LONGEST_PAUSE) fail("the grid's throttle lets no request out. Are other scripts of yours sending too many?");
    else
    {
        llSetTimerEvent(pause);
        pause = pause * 2.0;
    }
}

// One line, not a page.
integer is_name(string text)
{
    return llStringLength(text) <= MOST_LETTERS && line(text) == text && llGetSubString(text, 0, 0) != "<";
}

// A name is answered with a key, and a key with a name; the page of another server is neither.
found(string body)
{
    integer has_name = !is_key(wanted);
    if (has_name && body == NULL_KEY) answer(NO_SUCH_NAME);
    else if (!has_name && body == "") answer(NO_SUCH_KEY);
    else if ((has_name && is_key(body)) || (!has_name && is_name(body))) answer(wanted + ": " + body);
    else fail("this is not an n2k service: " + URL + " (it says: " + line(body) + ")");
}

// No answer. The next avatar's touch tries again.
unanswered(integer status)
{
    fail("no answer from " + URL + ": no connection, a time-out or a bad certificate");
    if (is_unsendable(status)) suspect_names();
}

default
{
    touch_start(integer count)
    {
        integer i;
        for (i = 0; i < count; ++i) touched_by(llDetectedKey(i));
    }

    listen(integer channel, string name, key id, string message)
    {
        string said = llStringTrim(message, STRING_TRIM);
        if (said == "") return;
        wanted = said;
        llListenRemove(listener);
        pause = FIRST_PAUSE;
        ask();
    }

    timer()
    {
        if (wanted == "") answer(TOO_LATE);
        else if (request == NULL_KEY) ask();
        else fail("no answer came from " + URL);
    }

    // Every script in a prim gets the answers to all scripts: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (id != request || request == NULL_KEY) return;
        if (status != 0 && status != 499) silences = 0;
        if (status == 200) found(body);
        else if (status == 0 || status == 499 || status == 408) unanswered(status);
        else if (status == 429) fail("asked too often, try later (429): " + line(body));
        else if (status >= 500) fail("the service is in trouble (" + (string)status + "): " + line(body));
        else fail("the service refuses (" + (string)status + "): " + line(body));
    }

    // A restarted region loses pending answers, so do not wait for one.
    changed(integer change)
    {
        if (change & (CHANGED_OWNER | CHANGED_REGION_START)) llResetScript();
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
}
