// Parameters: what is read, what is refused, and in which words.
#include "../tidemill/tidemill.hpp"

#include "../tidemill/testing.hpp"

using namespace tidemill;

static testing::Checks check;

struct Plugin {
    double number = 0;
    std::string text;
    bool flag = false;

    Problem configure(Params& params) {
        number = params.number_or("number", -1);
        text = params.text_or("text", "none");
        flag = params.flag_or("flag", true);
        return {};
    }
};

static void plain_values_are_read() {
    Plugin plugin;
    Problem problem =
        configured(plugin, "{\"number\" :\t-12.5e-1, \"text\":\"a\\n\\u00e4\\ud83d\\ude00\\\"\\/\", \"flag\":false}\n");
    check.equal(problem.text, "");
    check.holds(plugin.number == -1.25 && !plugin.flag, "number and flag are read");
    check.equal(plugin.text, "a\n\xC3\xA4\xF0\x9F\x98\x80\"/");
}

static void null_and_nothing_are_absent() {
    for (std::string_view params : { "", "{}", "{\"number\": null, \"text\": null}" }) {
        Plugin plugin;
        check.holds(!configured(plugin, params), "they are accepted");
        check.holds(plugin.number == -1 && plugin.text == "none" && plugin.flag, "defaults are taken");
    }
}

static void what_cannot_be_used_is_named() {
    static constexpr std::string_view broken = "the parameters are not a JSON object of plain values: ";
    static constexpr std::string_view cases[][2] = {
        { R"({"number": "1"})", "parameter `number` is a string, but must be a number" },
        { R"({"number": true, "text": 1})", "parameter `number` is true, but must be a number" },
        { R"({"text": 1.50})", "parameter `text` is 1.50, but must be a string" },
        { R"({"nummer": 0})", "parameter `nummer` is unknown; this plugin takes `number`, `text`, `flag`" },
        { R"({"flag": {}})", "`flag` is a list or an object; only numbers, strings and booleans can be parameters" },
        { R"({"flag": true, "flag": true})", "`flag` is there twice" },
        { R"({"number": .5})", "`number` has no JSON value" },
        { R"({"number": 1e999})", "`number` has no JSON value" },
        { R"({"text": "\ud800"})", "a broken \\u escape in a string" },
        { R"({"text": "\q"})", "an unknown escape in a string" },
        { R"({"text": "a)", "a string does not end" },
        { R"({"flag": true,})", "a `\"` is missing" },
        { R"({"flag": true} 1)", "something follows the object" },
        { "[]", "a `{` is missing" },
    };
    for (const auto& [params, reason] : cases) {
        Plugin plugin;
        Problem problem = configured(plugin, params);
        check.holds(problem.code == 1, "wrong parameters have the code 1");
        check.equal(problem.text, (reason.starts_with("parameter") ? "" : std::string(broken)) + std::string(reason));
    }
}

int main() {
    plain_values_are_read();
    null_and_nothing_are_absent();
    what_cannot_be_used_is_named();
    return check.report();
}
