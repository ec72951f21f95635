import asyncio, os, sys, time, subprocess, json
import aiohttp, pytest
from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import Heartland
from shared.connectors.heartland.settings import read_settings
from shared.connectors.heartland.transport import Limits
from shared.resilience.breaker import Breaker
from shared.resilience.budget import RequestBudget
from shared.runtime.clock import SystemClock
from shared.state.connections import Connection
from shared.state.database import Database
from shared.state.ledger import Ledger
from shared.state.links import Links
from shared.state.reviews import Reviews
from shared.state.versions import Versions
from services.heartland_writer.accounts import open_account
from services.heartland_writer.order import Orders
from shared.messaging.record import Record
from tests.integration.heartland_writer.place import an_event
from tests.integration.heartland_writer.test_order import order
import dataclasses

class NoProducer:
    async def send(self, *a, **k): pass

async def test_bench(database_url):
    env={**os.environ,"SANDBOX_PORT":"18777","SANDBOX_LATENCY_MS":"0"}
    proc=await asyncio.create_subprocess_exec(sys.executable,"-m","services.sandbox",env=env)
    clock=SystemClock()
    try:
        url="http://127.0.0.1:18777"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session, Database.open(database_url,4) as db:
            for _ in range(100):
                try:
                    async with session.get(url+"/livez") as r: break
                except aiohttp.ClientError: await asyncio.sleep(0.1)
            for sku in ("SKU-1","SKU-2"):
                async with session.post(url+"/_sandbox/heartland/items",json={"public_id":sku,"price":"10.00"}) as r: assert r.status<300
            client=HeartlandClient(session,HeartlandAccount.read({"base_url":url,"api_token":"sandbox-api-token"}),budget=RequestBudget(0,burst=1,max_in_flight=64,clock=clock),breaker=Breaker("x",clock=clock),clock=clock,observe=lambda *a:None)
            s={"source_location":"Online","read_lag_seconds":10.0}
            links=Links(db)
            account=open_account(Heartland(Connection("acme",{},s),client,read_settings(s)),ledger=Ledger(db,clock),links=links,clock=clock)
            class A:
                def get(self,n): return account
            orders=Orders(A(),links=links,versions=Versions(db),reviews=Reviews(db),producer=NoProducer(),clock=clock)
            async def run(numbers,conc=32):
                sem=asyncio.Semaphore(conc)
                async def one(n):
                    e=an_event(order(n))
                    async with sem:
                        await orders.handle([Record(e,"t",0,1,0)])
                await asyncio.gather(*(one(n) for n in numbers))
            await run(range(1,50))
            evs=[(n,an_event(order(n))) for n in range(1000,1500)]
            t=time.perf_counter(); c=time.process_time()
            sem=asyncio.Semaphore(32)
            async def one(e):
                async with sem: await orders.handle([Record(e,"t",0,1,0)])
            if os.environ.get("PROF"):
                import cProfile; pr=cProfile.Profile(); pr.enable()
            await asyncio.gather(*(one(e) for _,e in evs))
            c1=time.process_time()-c; t1=time.perf_counter()-t
            if os.environ.get("PROF"):
                pr.disable(); pr.dump_stats("/tmp/f.prof")
            # bare: same calls
            H={"Authorization":"Bearer sandbox-api-token","Content-Type":"application/json"}
            place=await account.places.get()
            types=await account.payment_types.find(["gift_card","shopify_payments"])
            items=await account.items.existing(["SKU-1","SKU-2"])
            async def req(m,p,body=None,params=None):
                async with session.request(m,url+"/api/"+p,data=json.dumps(body) if body is not None else None,headers=H,params=params) as r:
                    b=await r.read()
                    assert r.status<300,(r.status,b)
                    l=r.headers.get("Location","")
                    return int(l.rsplit("/",1)[1]) if l else (json.loads(b) if b else None)
            async def bare(n):
                async with sem:
                    await req("GET","customers",params={"_filter":json.dumps({"email":f"b{n}@e.com"}),"sort[]":"id","per_page":"200"})
                    c=await req("POST","customers",{"first_name":"Ada","last_name":"?","email":f"b{n}@e.com"})
                    a=await req("POST",f"customers/{c}/addresses",{"first_name":"Ada","last_name":"Byron","line_1":"1 Mill Lane","city":"Louisville","state":"KY","postal_code":"40202","country":"US"})
                    o=await req("POST","sales/orders",{"status":"pending","public_id":f"B-{n}","customer_id":c,"shipping_address_id":a,"source_location_id":place.source_location_id,"station_id":place.station_id,"shipping_charge":5.0,"custom":{"shopify_order_id":str(n)}})
                    for sku,q,p in (("SKU-1",1,9.66),("SKU-1",2,9.67),("SKU-2",1,10.0)):
                        await req("POST",f"sales/orders/{o}/lines",{"item_id":items[sku],"qty":q,"original_unit_price":10.0,"adjusted_unit_price":p,"total_tax":0.3,"custom":{"shopify_line_id":"1"}})
                    await req("GET",f"sales/orders/{o}/taxes",params={"per_page":"500","page":"1"})
                    await req("POST",f"sales/orders/{o}/taxes",{"description":"State tax","value":1.4})
                    for g in ("gift_card","shopify_payments"):
                        await req("POST",f"sales/orders/{o}/payments",{"type":"CustomPayment","payment_type_id":types[g],"amount":5.0,"deposit":True,"custom":{}})
                    await req("PUT",f"sales/orders/{o}",{"status":"open"})
            t=time.perf_counter(); c=time.process_time()
            await asyncio.gather(*(bare(n) for n in range(500)))
            c2=time.process_time()-c; t2=time.perf_counter()-t
            print(f"\nwriter {c1/500*1000:.2f} ms cpu/order {500/t1:.0f}/s ; bare {c2/500*1000:.2f} ms cpu/order {500/t2:.0f}/s; calls 12+1")
    finally:
        proc.terminate(); await proc.wait()
