// query.lsl: tells whoever touches this object, and says a name on channel 5, the key of that avatar.
// One avatar at a time; others are told to wait. Errors are told to the owner only.
// MIT licence. For Second Life (Mono) and OpenSimulator.

// "n2k lsl query" fills these lines in. URL: the root address of your n2k service, without any "?". GRID: the world whose
// avatars are meant, such as "Production"; "": the one that the simulator says, before all others.
string URL = "https://www.example.org/dispatch.fcgi";
string GRID = "";

integer CHANNEL = 5;
float LISTEN_SECONDS = 30.0;  // how long the asker may think before others get a turn
float ANSWER_SECONDS = 90.0;  // grids report a time-out after 60 s at most; the report itself may be lost
float FIRST_PAUSE = 2.0;      // when the grid's throttle refuses; doubled each time
float LONGEST_PAUSE = 64.0;   // Second Life forgives after 40 s of silence

key asker = NULL_KEY;         // whose turn it is; NULL_KEY: nobody's
string wanted = "";           // the name to look up; "": the asker has not said it yet
key request = NULL_KEY;       // the request under way; NULL_KEY: none
integer listener = 0;
float pause = 0.0;

tell(key whom, string text)
{
    llRegionSayTo(whom, 0, text);
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
    llOwnerSay("n2k query: " + why);
    answer("No answer for " + wanted + " this time, sorry.");
}

// The first line of what a server said, short enough for chat.
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
    tell(asker, "Say a name on channel " + (string)CHANNEL + ", for example: /" + (string)CHANNEL + " Governor Linden");
}

touched_by(key avatar)
{
    if (asker == NULL_KEY || (avatar == asker && wanted == "")) listen_to(avatar);
    else if (avatar == asker) tell(avatar, "Still looking for " + wanted + ".");
    else tell(avatar, "Somebody else is asking. Please touch again in a moment.");
}

ask()
{
    string url = URL + "?name=" + llEscapeURL(wanted);
    if (GRID != "") url += "&grid=" + llEscapeURL(GRID);
    request = llHTTPRequest(url, [HTTP_METHOD, "GET", HTTP_VERBOSE_THROTTLE, FALSE], "");
    if (request != NULL_KEY)
    {
        llSetTimerEvent(ANSWER_SECONDS);
    }
    else if (pause > LONGEST_PAUSE)
    {
        fail("the grid's throttle lets no request out. Are other scripts of yours sending too many?");
    }
    else
    {
        llSetTimerEvent(pause);
        pause = pause * 2.0;
    }
}

found(string body)
{
    if (body == NULL_KEY) answer("No avatar called " + wanted + " is known here.");
    else if ((key)body) answer(wanted + ": " + body);
    else fail("this is no n2k service: " + URL + " (it says: " + line(body) + ")");
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
        if (wanted == "") answer("Time is up. Touch again when you want to ask.");
        else if (request == NULL_KEY) ask();
        else fail("no answer came from " + URL);
    }

    // Every script in a prim hears the answers to all of them: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (id != request || request == NULL_KEY) return;
        if (status == 200) found(body);
        else if (status == 499 || status == 408) fail("no answer from " + URL
            + ": no connection, a time-out or a bad certificate");
        else if (status == 429) fail("asked too often, try later (429): " + line(body));
        else if (status >= 500) fail("the service is in trouble (" + (string)status + "): " + line(body));
        else fail("the service refuses (" + (string)status + "): " + line(body));
    }

    // A restarted region loses answers under way, so nobody should wait for one.
    changed(integer change)
    {
        if (change & (CHANGED_OWNER | CHANGED_REGION_START)) llResetScript();
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
}
