import asyncio, json, time
import openai, anthropic, pytest
from jackfield.testing import Answer, Reply
from jackfield.testing.replies import call_tools
from jackfield.wire.chat import ToolCall, Usage
from .conftest import World
from .worlds import *
pytestmark = pytest.mark.asyncio(loop_scope="module")
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
TC=lambda *calls, **k: Answer.reply(Reply(text=k.get("text",""), tool_calls=tuple(ToolCall(id=f"c{i}",name=n,arguments=a) for i,(n,a) in enumerate(calls)), finish="tool_calls"))

@pytest.mark.parametrize("path",[CHAT,MESSAGES,"/v1/agents/tools"])
@pytest.mark.parametrize("args",["["*5000,"{\"a\":"*300+"1"+"}"*300,'{"a":"\\ud800","b":1}','{"a":'+'9'*400+',"b":1}','{"a":1e308,"b":1}', '{}{}','"x"','null',' '])
async def test_args(world, path, args):
    world.openai.script(TC(("plugin_kit_add", args)), Answer.text("Done."))
    run_tools(world.gateway, timeout_s=3)
    t=time.time()
    called = await world.ask(path, {"model":"via-openai","input":"x"} if "agents" in path else asking(path,"via-openai","x"))
    print(path, args[:20], called.status, round(time.time()-t,2), dict(called.headers).get("x-jackfield-stopped"), called.body[:300])
    if len(world.openai.requests)>1: print(json.dumps(world.openai.requests[1].json["messages"][-1])[:300])

async def test_mixed_index(world):
    tools=[{"type":"function","function":{"name":"mine","parameters":{"type":"object"}}}]
    for script in ([TC(("plugin_kit_add",'{"a":1,"b":2}'),("mine",'{"q": "some words here"}'),("mine",'{"q": "two"}'), text="Hm.")],
                   [TC(("plugin_kit_add",'{"a":1,"b":2}'),text="First."), TC(("mine",'{"q": "some words here"}'),("mine",'{"q": "two"}'), text="Hm.")]):
        world.openai.script(*script)
        async with openai.AsyncOpenAI(base_url=world.gateway.url+"/v1", api_key=world.gateway.api_key, max_retries=0, default_headers={"x-jackfield-tools":"auto"}) as c:
            async with c.beta.chat.completions.stream(model="via-openai", messages=[{"role":"user","content":"x"}], tools=tools) as s:
                async for ev in s:
                    if ev.type=="chunk": print(ev.chunk.choices[0].delta.tool_calls if ev.chunk.choices else None)
                print((await s.get_final_completion()).choices[0])
